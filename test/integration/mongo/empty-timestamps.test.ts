import { BSON, type Document, type MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insertDocuments } from '../../../src/mongo/direct-copy.js';
import { hasEmptyTimestamp, runWithDocuments } from '../../../src/mongo/raw.js';
import { documentOf } from '../../helpers/bson.js';
import { DataPath, TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;

beforeAll(async () => {
  mongo = await TestMongo.start('empty-timestamps');
  client = mongo.client;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const EMPTY = new Timestamp(0n);

/** Gives a document of the source these fields, with empty timestamps as they are. */
function put(path: DataPath, _id: number, body: Document): Promise<unknown> {
  return path.orders.updateOne({ _id }, [{ $replaceWith: { $literal: { _id, ...body } } }], {
    upsert: true,
  });
}

/**
 * Documents that an update of the target has replaced, as the oplog tells the other members: each of them puts
 * its own current time for an empty timestamp, and so does a server that recovers from a crash.
 */
async function replacedWithEmpty(path: DataPath): Promise<Document[]> {
  const ns = `${path.target.databaseName}.${path.name}`;
  const updates = await client
    .db('local')
    .collection('oplog.rs')
    .find({ $or: [{ ns }, { 'o.applyOps.ns': ns }] })
    .toArray();
  expect(updates.length).toBeGreaterThan(0);
  return updates
    .flatMap((entry): Document[] => entry['o']['applyOps'] ?? [entry])
    .filter(({ op, o }) => op === 'u' && o['$v'] === undefined)
    .filter(({ o }) => hasEmptyTimestamp(Buffer.from(BSON.serialize(o))));
}

describe('empty timestamps are the same on every member of the target', () => {
  it('over what an insert has left', async () => {
    const path = await DataPath.begin(client);
    for (const id of [1, 2, 3]) await put(path, id, { t: EMPTY, u: EMPTY });
    const { source } = await path.sides();
    const documents = [...source.values()];
    // As mongorestore leaves it, and a late insert of an attempt that was cut off.
    await runWithDocuments(path.target, { insert: path.name }, 'documents', documents);
    expect(await insertDocuments(await path.insertOptions(), documents)).toEqual([]);
    expect((await path.sides()).target).toEqual(source);
    expect(await replacedWithEmpty(path)).toEqual([]);
  });

  it.each(['a.b', '', '$a', 'a\x07', '_bsontype', 'twice'])(
    'over what an insert has left, under the name %j',
    async (name) => {
      const path = await DataPath.begin(client);
      const empty = Buffer.alloc(8);
      const document = documentOf(
        [0x10, '_id', Buffer.from([1, 0, 0, 0])],
        [0x11, name, empty],
        [0x11, name === 'twice' ? name : 't', empty],
      );
      await runWithDocuments(path.target, { insert: path.name }, 'documents', [document]);
      expect(await insertDocuments(await path.insertOptions(), [document])).toEqual([]);
      expect([...(await path.sides()).target.values()]).toEqual([document]);
      expect(await replacedWithEmpty(path)).toEqual([]);
    },
  );

  it('after a direct copy', async () => {
    const path = await DataPath.begin(client);
    for (const id of [1, 2, 3]) await put(path, id, { t: EMPTY });
    const { source } = await path.sides();
    await insertDocuments(await path.insertOptions(), [...source.values()]);
    expect((await path.sides()).target).toEqual(source);
    expect(await replacedWithEmpty(path)).toEqual([]);
  });

  it.each([
    ['of an ordinary collection', {}],
    ['of a capped one', { collection: { capped: true, size: 100_000 }, capped: true }],
    ['under a collation', { collection: { collation: { locale: 'en' } }, exactOnly: true }],
  ])('after the replay %s', async (_what, options) => {
    const path = await DataPath.begin(client, options);
    await path.orders.insertMany([1, 2, 3].map((_id) => ({ _id, t: new Timestamp(7n), a: 1 })));
    await path.follow();
    for (const id of [1, 2]) await put(path, id, { t: EMPTY, b: 1 });
    await path.orders.updateOne({ _id: 3 }, [{ $set: { t: { $literal: EMPTY } } }]);
    await path.follow();
    const { source, target } = await path.sides();
    expect(target).toEqual(source);
    expect([...target.keys()]).toEqual([...source.keys()]);
    expect(await replacedWithEmpty(path)).toEqual([]);
  });
});
