import { BSON, BSONType, type Document, Int32, type MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectionUuid } from '../../../src/mongo/buffer.js';
import {
  copyDirectly,
  insertDocuments,
  type DirectCopyOptions,
} from '../../../src/mongo/direct-copy.js';
import { exactUpdate } from '../../../src/mongo/exact-write.js';
import { partitionFilter } from '../../../src/mongo/partitions.js';
import { idOf, runWithDocuments } from '../../../src/mongo/raw.js';
import { documentOf, everyId } from '../../helpers/bson.js';
import { AS_IT_IS, DataPath, type PathOptions, TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;

beforeAll(async () => {
  mongo = await TestMongo.start('direct');
  client = mongo.client;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

async function fill(documents: readonly Document[], options?: PathOptions): Promise<DataPath> {
  const path = await DataPath.begin(client, options);
  await path.source.collection(path.name).insertMany([...documents], AS_IT_IS);
  return path;
}

async function copy(path: DataPath, changed: Partial<DirectCopyOptions> = {}) {
  return copyDirectly({
    source: path.source,
    sourceCollection: path.name,
    ...(await path.insertOptions()),
    filter: {},
    onProgress: () => undefined,
    onRefused: async (refused) => expect(refused).toEqual([]),
    ...changed,
  });
}

async function expectEqual(path: DataPath): Promise<void> {
  const { source, target } = await path.sides();
  expect(target).toEqual(source);
}

describe('a direct copy', () => {
  it('brings _ids of every type and all their bytes', async () => {
    const { 'timestamp 0': own, ...rest } = everyId;
    expect(own).toBeInstanceOf(Timestamp); // It has a test of its own below.
    const path = await fill(Object.values(rest).map((_id) => ({ _id, '2': 1, '1': { _id } })));
    const copied = await copy(path);
    expect(copied.documents).toBe(Object.keys(rest).length);
    await expectEqual(path);
  });

  it('brings a document whose _id is the empty timestamp', async () => {
    const path = await fill([{ _id: new Timestamp(0n), v: 1 }]);
    await copy(path);
    await expectEqual(path);
  });

  it('keeps to its limits, also when they change on the way', async () => {
    const path = await fill(Array.from({ length: 3_000 }, (_, _id) => ({ _id })));
    const limits: { documentsPerSecond?: number; bytesPerSecond?: number } = {};
    limits.documentsPerSecond = 100;
    const seen: number[] = [];
    const copied = await copy(path, {
      limits,
      onProgress: ({ documents }) => seen.push(documents),
      touch: () => {
        // Nearly 30 s of waiting are left by then. A batch on its way may still come before the rest.
        if (seen.length >= 3) delete limits.documentsPerSecond;
      },
    });
    expect(copied.documents).toBe(3_000);
    const steps = seen.map((documents, i) => documents - (seen[i - 1] ?? 0));
    // Evenly, and all that is left at once.
    expect(steps.slice(0, -1).length).toBeGreaterThanOrEqual(3);
    expect(new Set(steps.slice(0, -1))).toEqual(new Set([25]));
    expect(steps.at(-1)).toBeGreaterThan(2_000);
    await expectEqual(path);
  });

  it('ends at once when it is cancelled while it waits for its limits', async () => {
    const path = await fill(Array.from({ length: 100 }, (_, _id) => ({ _id })));
    const ended = new AbortController();
    const reason = new Error('cancelled');
    const copying = copy(path, {
      limits: { documentsPerSecond: 1 },
      signal: ended.signal,
      touch: () => ended.abort(reason),
    });
    const error: unknown = await copying.catch((thrown: unknown) => thrown);
    expect([error, error instanceof Error && error.cause]).toContain(reason);
  });

  it('copies many batches, tells its progress, and a second run changes nothing', async () => {
    const path = await fill(
      Array.from({ length: 35_000 }, (_, _id) => ({ _id, t: 'x'.repeat(200) })),
    );
    const seen: number[] = [];
    const copied = await copy(path, { onProgress: ({ documents }) => seen.push(documents) });
    expect(copied.documents).toBe(35_000);
    expect(seen.length).toBeGreaterThan(2);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(35_000);
    const once = await path.hashes();
    expect(once.target).toBe(once.source);
    expect((await copy(path)).documents).toBe(35_000);
    expect(await path.hashes()).toEqual(once);
  });

  it('leaves alone what is there, and copies the rest', async () => {
    const path = await fill([{ _id: 1, v: 'old' }, { _id: 2 }]);
    await path.copy.insertOne({ _id: 1, v: 'newer' });
    await copy(path);
    expect(await path.copy.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 1, v: 'newer' },
      { _id: 2 },
    ]);
  });

  it('copies its own partition only', async () => {
    const path = await fill(Array.from({ length: 30 }, (_, _id) => ({ _id })));
    const filter = partitionFilter({
      index: 1,
      min: '{"$numberInt":"10"}',
      max: '{"$numberInt":"20"}',
    });
    expect((await copy(path, { filter })).documents).toBe(10);
    expect(await path.copy.countDocuments({ _id: { $gte: 10, $lt: 20 } })).toBe(10);
  });

  it('keeps Timestamp(0, 0), which an insert would turn into the current time', async () => {
    const path = await DataPath.begin(client);
    await path.orders.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    // An insert does the same at the source: only a pipeline leaves it as it is.
    const empty = { $set: { t: { $literal: new Timestamp(0n) }, v: new Int32(1) } };
    await path.orders.updateMany({ _id: { $gt: 1 } }, [empty]);
    await copy(path);
    await copy(path);
    const { source } = await path.sides();
    expect(
      [...source.values()].filter((document) => document.includes('\x11t\0\0\0')),
    ).toHaveLength(2);
    await expectEqual(path);
  });

  it('keeps an empty timestamp beside a name that occurs twice', async () => {
    const path = await DataPath.begin(client);
    const document = documentOf(
      [0x10, '_id', Buffer.from([1, 0, 0, 0])],
      [0x11, 't', Buffer.alloc(8)],
      [0x10, 'twice', Buffer.from([1, 0, 0, 0])],
      [0x10, 'twice', Buffer.from([2, 0, 0, 0])],
    );
    const update = exactUpdate({ id: idOf(document), document });
    await runWithDocuments(path.source, { update: path.name }, 'updates', [update]);
    // As mongorestore leaves it: an update by a pipeline over this makes a 6.0.5 server abort.
    await runWithDocuments(path.target, { insert: path.name }, 'documents', [document]);
    await insertDocuments(await path.insertOptions(), [document]);
    expect([...(await path.sides()).source.values()]).toEqual([document]);
    await expectEqual(path);
  });

  it.each([true, false])('writes all others when one is refused, ordered %s', async (ordered) => {
    const path = await DataPath.begin(client);
    const documents = Array.from({ length: 40 }, (_, n): Document => ({
      // No server of any version takes a name like that in an _id.
      _id: n % 10 === 3 ? { n, $in: 1 } : n,
      ...(n % 3 === 0 && { t: new Timestamp(0n) }),
    })).map((document) => Buffer.from(BSON.serialize(document)));
    const isRefused = (document: Buffer) => idOf(document).type === BSONType.object;
    const refused = await insertDocuments(await path.insertOptions(ordered), documents);
    expect(refused.map(({ id }) => id.key).toSorted()).toEqual(
      documents
        .filter(isRefused)
        .map((document) => idOf(document).key)
        .toSorted(),
    );
    const { target } = await path.sides();
    expect([...target.values()].map((one) => one.toString('hex')).toSorted()).toEqual(
      documents
        .filter((one) => !isRefused(one))
        .map((one) => one.toString('hex'))
        .toSorted(),
    );
  });

  it('keeps the natural order of a capped collection, with empty timestamps too', async () => {
    const options = { collection: { capped: true, size: 1_000_000 }, capped: true };
    const path = await DataPath.begin(client, options);
    const ids = [5, 2, 9, 1, 7, 3];
    for (const id of ids) await path.orders.insertOne({ _id: id, t: new Timestamp(1n) });
    const empty = { $set: { t: { $literal: new Timestamp(0n) } } };
    await path.orders.updateMany({ _id: { $in: [2, 1] } }, [empty]);
    // One that no update of single fields puts right.
    const dotted = { _id: 7, 'a.b': new Timestamp(0n) };
    await path.orders.updateOne({ _id: 7 }, [{ $replaceWith: { $literal: dotted } }]);
    await copy(path, { ordered: true });
    const { source, target } = await path.sides();
    expect([...target.keys()]).toEqual([...source.keys()]);
    expect(target).toEqual(source);
  });

  it('refuses another collection in the place of the one it fills', async () => {
    const path = await fill([{ _id: 1 }]);
    const targetUuid = await collectionUuid(path.target, path.name);
    await path.copy.drop();
    await path.target.createCollection(path.name);
    await expect(copy(path, { targetUuid })).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    expect(await path.copy.countDocuments()).toBe(0);
  });

  it('ends with the reason of its signal, and with an error of the target', async () => {
    const path = await fill([{ _id: 1 }]);
    const signal = AbortSignal.abort(new Error('told to stop'));
    await expect(copy(path, { signal })).rejects.toThrow('told to stop');
    await path.target.command({ collMod: path.name, validator: { v: { $exists: true } } });
    await expect(copy(path)).rejects.toThrow('Document failed validation');
  });
});
