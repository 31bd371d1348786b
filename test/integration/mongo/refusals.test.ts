import { BSON, Double, Int32, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeExactly } from '../../../src/mongo/exact-write.js';
import { rawOf } from '../../helpers/bson.js';
import { DataPath, TestMongo } from '../../helpers/data-path.js';

const MB = 1024 * 1024;

let mongo: TestMongo;
let client: MongoClient;
let path: DataPath;

beforeAll(async () => {
  mongo = await TestMongo.start('refusals');
  client = mongo.client;
});

beforeEach(async () => {
  path = await DataPath.begin(client);
  await path.copy.createIndex({ place: '2dsphere' }, { name: 'place' });
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** No index of places takes it. */
const nowhere = { type: 'Point', coordinates: [1000, 1000], secret: 'of a document' };

async function refused() {
  return (await path.control.read()).refused;
}

async function idsAt(target: boolean): Promise<unknown[]> {
  const found = await (target ? path.copy : path.orders)
    .find({}, { promoteValues: false, sort: { _id: 1 } })
    .toArray();
  return found.map(({ _id }) => _id);
}

describe('documents that the target does not take', () => {
  it('are kept in mind, with no more of them than their _ids, and all others arrive', async () => {
    const many = Array.from({ length: 1_500 }, (_, n) => ({ _id: new Int32(n), n }));
    await path.orders.insertMany(many);
    await path.orders.updateMany({ n: { $in: [3, 700, 701] } }, { $set: { place: nowhere } });
    await path.follow();
    const found = await refused();
    expect(found?.count).toBe(3);
    expect(found?.first.map(({ id }) => id).toSorted()).toEqual(['3', '700', '701']);
    expect(JSON.stringify(found)).not.toContain('secret');
    expect(await path.copy.countDocuments()).toBe(1_497);
  });

  it('are kept in mind too where no statement has room for them', async () => {
    const id = rawOf('i'.repeat(2 * MB));
    const document = BSON.serialize({ _id: 'i'.repeat(2 * MB), t: 'x'.repeat(13.9 * MB) });
    const taken = await path.control.takeEpoch('replay');
    if (!taken) throw new Error('the migration is held');
    await using session = client.startSession({ causalConsistency: false });
    const target = { ...path.replayTarget(taken), signal: new AbortController().signal, session };
    const whole = { id, document: Buffer.from(document) };
    const [first, ...others] = await writeExactly(target, [whole]);
    expect(others).toEqual([]);
    expect(first).toMatchObject({ id: { key: id.key }, why: expect.stringContaining('BSONObj') });
  });

  it('are tried again, and arrive once they are taken', async () => {
    await path.orders.insertOne({ _id: new Int32(1), place: nowhere });
    await path.orders.insertOne({ _id: new Int32(2), place: nowhere });
    await path.follow();
    expect(await refused()).toMatchObject({ count: 2 });
    await path.copy.dropIndex('place');
    await path.retryRefused();
    expect(await refused()).toEqual({ count: 0, first: [] });
    expect(await idsAt(true)).toEqual(await idsAt(false));
  });

  it('are off the list when they are deleted, changed, or gone without a word', async () => {
    for (const n of [1, 2, 3]) await path.orders.insertOne({ _id: new Int32(n), place: nowhere });
    await path.follow();
    expect(await refused()).toMatchObject({ count: 3 });
    await path.orders.deleteOne({ _id: new Int32(1) });
    await path.orders.updateOne({ _id: new Int32(2) }, { $unset: { place: 1 } });
    await path.follow();
    expect((await refused())?.first.map(({ id }) => id)).toEqual(['3']);
    expect(await idsAt(true)).toEqual([new Int32(2)]);
    await path.orders.deleteOne({ _id: new Int32(3) });
    await path.retryRefused();
    expect(await refused()).toMatchObject({ count: 0 });
  });

  it.each([
    ['an index of hashes', { x: 'hashed' }, [1, 2]],
    ['an index of places on a plane', { x: '2d' }, [1_000, 1_000]],
    ['an index with a number for a name', { 'x.0': 1 }, [{ 0: 1 }]],
    ['parallel arrays', { x: 1, y: 1 }, [1, 2]],
  ] as const)('are refused by %s, until they are changed', async (_what, key, x) => {
    await path.copy.createIndex({ ...key });
    await path.orders.insertMany([1, 2, 3].map((_id) => ({ _id, y: [1, 2], x: 0 })));
    await path.orders.updateOne({ _id: 2 }, { $set: { x } });
    await path.follow();
    expect((await refused())?.first.map(({ id }) => id)).toEqual(['2']);
    expect(await path.copy.countDocuments()).toBe(2);
    await path.orders.updateOne({ _id: 2 }, { $set: { x: 1 } });
    await path.follow();
    expect(await refused()).toMatchObject({ count: 0 });
    expect(await path.copy.countDocuments()).toBe(3);
  });

  it('are tried again once the replay has come up to what is captured, though it never rests', async () => {
    await path.orders.insertMany([{ _id: 1, place: nowhere }, { _id: 2 }]);
    await path.follow();
    await path.copy.dropIndex('place');
    await path.orders.updateOne({ _id: 2 }, { $set: { a: 1 } });
    await path.capture();
    const rest = new Error('it rests');
    let before: unknown;
    const idle = async (): Promise<never> => {
      before = await refused();
      throw rest;
    };
    await expect(path.replay(undefined, idle)).rejects.toBe(rest);
    expect(before).toMatchObject({ count: 0 });
    expect(await path.copy.countDocuments()).toBe(2);
  });

  it('are one where their _ids are equal and not the same', async () => {
    await path.orders.insertOne({ _id: new Int32(5), place: nowhere });
    await path.follow();
    await path.orders.deleteOne({ _id: new Int32(5) });
    await path.orders.insertOne({ _id: new Double(5), place: nowhere });
    await path.follow();
    expect(await refused()).toMatchObject({ count: 1 });
    await path.copy.dropIndex('place');
    await path.retryRefused();
    expect(await refused()).toMatchObject({ count: 0 });
    expect(await idsAt(true)).toEqual([new Double(5)]);
  });
});
