import { Double, Int32, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Range, type RangeLimits, readRange } from '../../../src/mongo/range.js';
import { applyRange } from '../../../src/mongo/replay.js';
import { keyOf } from '../../helpers/bson.js';
import { DataPath, must, TestMongo, tokenOf } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;

beforeAll(async () => {
  mongo = await TestMongo.start('sieved');
  client = mongo.client;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** All that is captured, of which what the server alone has to know is left out. */
async function readSieved(
  path: DataPath,
  { events = 100_000, ...sieve }: Partial<RangeLimits['sieve']> & { events?: number } = {},
): Promise<Range> {
  const { capture } = await path.control.read();
  const limits = {
    events,
    bytes: Number.POSITIVE_INFINITY,
    sieve: { known: new Set<string>(), most: 100_000, ...sieve },
  };
  const { signal } = new AbortController();
  return readRange(path.target, path.name, undefined, tokenOf(capture.through), limits, signal);
}

/** @returns whether it was applied. */
async function apply(path: DataPath, range: Range): Promise<boolean> {
  await using session = client.startSession({ causalConsistency: false });
  const taken = must(await path.control.takeEpoch('replay'));
  return await applyRange({ ...path.replayTarget(taken), session }, range);
}

it('has what a server does not apply alone, and all that is of the same _ids from there', async () => {
  const path = await DataPath.begin(client);
  const one = new Int32(1);
  const two = new Int32(2);
  const three = new Int32(3);
  const four = new Int32(4);
  const five = new Int32(5);
  const dollar = [
    { $replaceWith: { $setField: { field: { $literal: '$a' }, input: '$$ROOT', value: 1 } } },
  ];
  const steps = [
    () => path.orders.insertMany([one, two, three, four, five].map((_id) => ({ _id, v: 1 }))),
    () => path.orders.updateMany({ v: 1 }, { $set: { v: 2 } }),
    () => path.orders.deleteOne({ _id: one }),
    () => path.orders.insertOne({ _id: one, v: 3 }),
    () => path.orders.updateMany({ _id: { $in: [two, three] } }, dollar),
    () => path.orders.replaceOne({ _id: three }, { v: 3 }),
    () => path.orders.deleteOne({ _id: four }),
    () => path.orders.insertOne({ _id: new Double(4), v: 4 }),
  ];
  for (const step of steps) {
    await step();
    // Of what it has not read yet it knows no more than the last.
    await path.capture();
  }
  const range = await readSieved(path, { known: new Set([keyOf(five)]) });
  expect(range.changes.map(({ code, key }) => [code, key])).toEqual([
    ['u', keyOf(five)],
    ['u', keyOf(five)],
    ['d', keyOf(one)],
    ['u', keyOf(one)],
    ['x', keyOf(two)],
    ['x', keyOf(three)],
    ['u', keyOf(three)],
    ['d', keyOf(four)],
  ]);
  expect(range.count).toBe(17);
  expect(await apply(path, range)).toBe(true);
  const { source, target } = await path.hashes();
  expect(target).toBe(source);
});

it('writes the few documents that are left of very many', async () => {
  const path = await DataPath.begin(client);
  const ids = Array.from({ length: 6_000 }, (_, _id) => ({ _id }));
  await path.orders.insertMany(ids);
  await path.capture();
  await path.orders.deleteMany({ _id: { $ne: 4_711 } });
  await path.capture();
  expect(await apply(path, await readSieved(path))).toBe(true);
  expect(await path.copy.find().toArray()).toEqual([{ _id: 4_711 }]);
});

it('ends where it has as many of them as it may', async () => {
  const path = await DataPath.begin(client);
  await path.orders.insertMany(Array.from({ length: 1_000 }, (_, _id) => ({ _id })));
  await path.capture();
  await path.orders.deleteMany({});
  await path.capture();
  const range = await readSieved(path, { most: 5 });
  expect([range.last, range.full]).toEqual([false, false]);
  expect(range.changes.length).toBeGreaterThanOrEqual(5);
  // A bundle is not divided.
  expect(range.changes.length).toBeLessThan(5 + 100);
  expect(range.count).toBe(1_000 + range.changes.length);
});

it('is gone through again where the server does not take something of it', async () => {
  const path = await DataPath.begin(client);
  await path.copy.createIndex({ place: '2dsphere' }, { name: 'place' });
  const documents = 60_000;
  const ids = Array.from({ length: documents }, (_, _id) => ({ _id }));
  await path.orders.insertMany(ids);
  const nowhere = { type: 'Point', coordinates: [1_000, 1_000] };
  await path.orders.updateOne({ _id: 30_000 }, { $set: { place: nowhere } });
  await path.orders.deleteOne({ _id: 7 });
  await path.capture();
  expect(await apply(path, await readSieved(path, { events: documents * 2 }))).toBe(false);
  await path.replay();
  const { refused } = await path.control.read();
  expect(refused).toMatchObject({ count: 1, first: [{ id: '30000' }] });
  expect(await path.copy.countDocuments()).toBe(documents - 2);
  expect(path.applied.length).toBeGreaterThan(1);
  // Once it is taken, it is no longer on the list, which a range without it would not know.
  await path.orders.updateOne({ _id: 30_000 }, { $unset: { place: 1 } });
  await path.follow();
  expect((await path.control.read()).refused).toEqual({ count: 0, first: [] });
  const { source, target } = await path.hashes();
  expect(target).toBe(source);
});
