import { BSON, Double, Int32, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exactUpdate } from '../../../src/mongo/exact-write.js';
import { idOf, RawValue, runWithDocuments } from '../../../src/mongo/raw.js';
import { documentOf, type Id, keyOf, unreadableIds } from '../../helpers/bson.js';
import { AS_IT_IS, DataPath, must, type PathOptions, TestMongo } from '../../helpers/data-path.js';
import { randomFrom } from '../../helpers/random.js';
import { changeRandomly } from '../../helpers/random-changes.js';

let mongo: TestMongo;
let client: MongoClient;

beforeAll(async () => {
  mongo = await TestMongo.start('exact-write', ['--setParameter', 'enableTestCommands=1']);
  client = mongo.client;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** Plays the work through with the worker as the only one who writes. */
async function follow(options: PathOptions, work: (path: DataPath) => Promise<void>) {
  const path = await DataPath.begin(client, { exactOnly: true, ...options });
  await work(path);
  await path.follow();
  return path;
}

describe('the worker writes every document itself', () => {
  const collation = { locale: 'en', strength: 2 };

  it('for _ids that are equal but for letter case', async () => {
    const path = await follow({ collection: { collation } }, async (each) => {
      await each.orders.insertMany([{ _id: 'a', v: 1 }, { _id: 'b' }, { _id: 'C' }]);
      await each.follow();
      await each.orders.deleteOne({ _id: 'A' });
      await each.orders.insertOne({ _id: 'A', v: 2 });
      await each.orders.updateOne({ _id: 'B' }, { $set: { v: 3 } });
      await each.orders.deleteOne({ _id: 'c' });
    });
    const { source, target } = await path.sides();
    expect(new Set(source.keys())).toEqual(new Set([keyOf('A'), keyOf('b')]));
    expect(target).toEqual(source);
  });

  it('with _ids that bson cannot decode', async () => {
    const one = Buffer.from([1, 0, 0, 0]);
    const regex = documentOf([0x10, 't', one], [0x0b, 'p', Buffer.from('(?i)acme\0\0', 'latin1')]);
    const ids = [
      ...unreadableIds,
      RawValue.document(regex),
      // Of subtype 2, without the length within.
      new RawValue(0x05, Buffer.concat([Buffer.from([16, 0, 0, 0, 2]), Buffer.alloc(16, 7)])),
    ];
    const documents = ids.map((id) => documentOf([id.type, '_id', id.bytes], [0x10, '$x', one]));
    const path = await follow({}, async ({ source, name }) => {
      const updates = documents.map((document) => exactUpdate({ id: idOf(document), document }));
      await runWithDocuments(source, { update: name }, 'updates', updates);
    });
    const { source, target } = await path.sides();
    expect([...source.values()]).toEqual(documents);
    expect(target).toEqual(source);
  });

  it('fewer at a time where the server ends a transaction that takes too long', async () => {
    const path = await DataPath.begin(client, { exactOnly: true, collection: { collation } });
    await path.orders.insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: `id${n}` })));
    await path.capture();
    const TransactionExceededLifetimeLimitSeconds = 290;
    await client.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 2 },
      data: {
        failCommands: ['update'],
        errorCode: TransactionExceededLifetimeLimitSeconds,
        namespace: `target.${path.name}`,
      },
    });
    await path.replay();
    const { source, target } = await path.hashes();
    expect(target).toBe(source);
  });

  it('over an equal _id that was copied later than it was captured', async () => {
    const path = await DataPath.begin(client, { exactOnly: true, collection: { collation } });
    await path.orders.insertOne({ _id: 'Bob', v: 1 });
    await path.capture();
    await path.orders.deleteOne({ _id: 'Bob' });
    await path.orders.insertOne({ _id: 'bob', v: 2 });
    await path.copy.insertOne({ _id: 'bob', v: 2 });
    await path.replay();
    expect(await path.copy.distinct('_id')).toEqual(['Bob']);
    await path.follow();
    expect((await path.sides()).target).toEqual((await path.sides()).source);
  });

  it('after random changes under a collation', async () => {
    const random = randomFrom(5);
    const path = await follow({ collection: { collation } }, async (each) => {
      for (let round = 0; round < 5; round++) {
        await changeRandomly(each, random, ['a', 'A', 'b', 'B', 'é', 'É', 1], 60);
        await each.capture();
        if (round % 2 === 0) await each.replay();
      }
    });
    expect((await path.sides()).target).toEqual((await path.sides()).source);
  });

  it.each([false, true])(
    'in natural order for a capped collection with deletes, exactOnly %s',
    async (exactOnly) => {
      const collection = { capped: true, size: 100_000, max: 6 };
      const path = await follow({ collection, capped: true, exactOnly }, async (each) => {
        const insert = (_id: Id) => each.orders.insertOne({ _id, n: new Int32(0) });
        for (const id of [5, 3, 4, 1]) await insert(id);
        await each.capture();
        await each.replay();
        // Room that a delete has made is not made by age.
        await each.orders.deleteOne({ _id: 3 });
        for (const id of [9, 2, 8]) await insert(id);
        await each.capture();
        await each.replay();
        expect([...(await each.sides()).target.keys()]).toEqual([5, 4, 1, 9, 2, 8].map(keyOf));
        // Inserted again it is the last, within one batch and over several.
        await each.orders.deleteOne({ _id: 9 });
        await insert(7);
        await insert(9);
        await each.orders.deleteOne({ _id: 4 });
        await each.capture();
        await insert(4);
        await each.orders.updateOne({ _id: 9 }, { $inc: { n: 1 } });
        await insert(6);
      });
      const { source, target } = await path.sides();
      expect([...source.keys()]).toEqual([2, 8, 7, 9, 4, 6].map(keyOf));
      expect([...target.keys()]).toEqual([...source.keys()]);
      expect(target).toEqual(source);
    },
  );

  it.each([false, true])(
    'without what was changed and then deleted in a capped collection, exactOnly %s',
    async (exactOnly) => {
      const collection = { capped: true, size: 100_000, max: 4 };
      const path = await follow({ collection, capped: true, exactOnly }, async (each) => {
        for (const id of [1, 2, 3]) await each.orders.insertOne({ _id: id, n: new Int32(0) });
        await each.capture();
        await each.replay();
        // In batches of their own, and one range.
        await each.orders.updateOne({ _id: 1 }, { $inc: { n: 1 } });
        await each.orders.insertOne({ _id: 5, n: new Int32(0) });
        await each.capture();
        await each.orders.deleteOne({ _id: 1 });
        await each.orders.deleteOne({ _id: 5 });
        await each.capture();
        await each.orders.insertOne({ _id: 4, n: new Int32(0) });
      });
      const { source, target } = await path.sides();
      expect([...source.keys()]).toEqual([2, 3, 4].map(keyOf));
      expect(target).toEqual(source);
    },
  );

  it('in natural order for a capped collection whose last range was applied before, and not recorded', async () => {
    const collection = { capped: true, size: 100_000 };
    const path = await follow({ collection, capped: true, exactOnly: false }, async (each) => {
      for (const id of [1, 2, 3]) await each.orders.insertOne({ _id: id });
      await each.capture();
      await each.replay();
      await each.orders.deleteOne({ _id: 1 });
      for (const id of [4, 1, 5]) await each.orders.insertOne({ _id: id });
      await each.capture();
      const { replay, capture } = await each.control.read();
      await each.replay();
      expect((await each.sides()).target).toEqual((await each.sides()).source);
      // Up to the document that was inserted again, as a worker that has died then leaves it.
      const changes = await each.changes();
      const again = changes.filter(({ id, kind }) => kind === 'u' && id === keyOf(1)).at(-1);
      await each.control.set({ 'replay.through': replay.through });
      await each.control.set({ 'capture.through': { _data: must(again).token } });
      await each.copy.deleteOne({ _id: 5 });
      await each.replay();
      await each.control.set({ 'capture.through': capture.through });
    });
    const { source, target } = await path.sides();
    expect([...source.keys()]).toEqual([2, 3, 4, 1, 5].map(keyOf));
    expect([...target.keys()]).toEqual([...source.keys()]);
  });

  it('in natural order for a capped collection where an _id changes its type in place', async () => {
    const collection = { capped: true, size: 2 ** 26 };
    const path = await follow({ collection, capped: true, exactOnly: false }, async (each) => {
      for (const id of [5, 6]) await each.orders.insertOne({ _id: new Int32(id) });
      await each.capture();
      await each.orders.replaceOne({ _id: 5 }, { _id: new Double(5) });
      // What the worker writes itself keeps its place too.
      await each.orders.insertOne({ _id: 8, body: Buffer.alloc(16 * 1024 * 1024 - 60) });
    });
    const { source, target } = await path.sides();
    expect([...target.keys()]).toEqual([...source.keys()]);
    expect([...target.values()].map((each) => each.length)).toEqual(
      [...source.values()].map((each) => each.length),
    );
  });

  it('in natural order for a capped collection that ages', async () => {
    const collection = { capped: true, size: 100_000, max: 5 };
    const path = await follow({ collection, capped: true }, async (each) => {
      for (const id of [5, 3, 4, 1]) await each.orders.insertOne({ _id: id, n: new Int32(0) });
      await each.capture();
      await each.orders.updateOne({ _id: 3 }, { $inc: { n: 1 } });
      for (const id of [9, 2, 8]) await each.orders.insertOne({ _id: id, n: new Int32(0) });
    });
    const { source, target } = await path.sides();
    expect([...source.keys()]).toEqual([4, 1, 9, 2, 8].map(keyOf));
    expect([...target.keys()]).toEqual([...source.keys()]);
    expect(target).toEqual(source);
  });
});

it.each([true, false])(
  'keeps the natural order of a capped collection where it writes some itself, exactOnly %s',
  async (exactOnly) => {
    const collection = { capped: true, size: 100_000 };
    const path = await follow({ collection, capped: true, exactOnly }, async (each) => {
      const insert = (_id: number, more: object = {}) =>
        each.orders.insertOne({ _id, n: new Int32(0), ...more }, AS_IT_IS);
      for (const id of [5, 3]) await insert(id);
      await insert(4, { $x: 1 });
      for (const id of [1, 9]) await insert(id);
      await each.capture();
      await each.orders.updateOne({ _id: 5 }, { $inc: { n: 1 } });
      await each.orders.updateOne({ _id: 4 }, { $inc: { n: 1 } });
      for (const id of [2, 8]) await insert(id);
    });
    const { source, target } = await path.sides();
    expect([...source.keys()]).toEqual([5, 3, 4, 1, 9, 2, 8].map(keyOf));
    expect([...target.keys()]).toEqual([...source.keys()]);
    expect(target).toEqual(source);
  },
);

it.each<[string, readonly Buffer[]]>([
  ['that is no UTF-8', [Buffer.from([0x61, 0xff])]],
  ['with a dot', [Buffer.from('a.b')]],
  ['with a line break', [Buffer.from('a\nb')]],
  ['that occurs twice', [Buffer.from('t'), Buffer.from('t')]],
])('brings to a capped collection an empty timestamp under a name %s', async (_what, names) => {
  const collection = { capped: true, size: 100_000 };
  const path = await DataPath.begin(client, { collection, capped: true });
  const id = Buffer.from([1, 0, 0, 0]);
  const empty = names.map((name) => [0x11, name, Buffer.alloc(8)] as const);
  const odd = documentOf([0x10, '_id', id], ...empty, [0x10, 'n', id]);
  const put = BSON.serialize({
    q: { _id: 1 },
    u: [{ $replaceWith: { $literal: RawValue.document(odd) } }],
    upsert: true,
  });
  await runWithDocuments(path.source, { update: path.name }, 'updates', [put]);
  expect([...(await path.sides()).source.values()]).toEqual([odd]);
  await path.follow();
  expect([...(await path.sides()).target.values()]).toEqual([odd]);
  if (names.length > 1) return; // A pipeline over it makes a 6.0.5 server abort.
  await path.orders.updateMany({}, { $inc: { n: 1 } });
  await path.follow();
  expect((await path.sides()).target).toEqual((await path.sides()).source);
});

it('brings to a capped collection what changed after a lost attempt had buffered the same event', async () => {
  const collection = { capped: true, size: 100_000 };
  const path = await DataPath.begin(client, { collection, capped: true });
  await path.orders.insertOne({ _id: 1, v: 1 });
  // In the buffer, and not recorded: the next attempt reads both events in one batch.
  await path.captureFrom(path.start, { until: await path.now() });
  await path.orders.updateOne({ _id: 1 }, { $set: { v: 2 } });
  await path.follow();
  expect((await path.sides()).target).toEqual((await path.sides()).source);
});
