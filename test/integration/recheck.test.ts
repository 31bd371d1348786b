import { Double, Int32, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { Recheck } from '../../src/activities/recheck.js';
import { Verification } from '../../src/mongo/verification.js';
import { rawOf } from '../helpers/bson.js';
import { DataPath, TestMongo } from '../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;
let path: DataPath;
let verification: Verification;

beforeAll(async () => {
  mongo = await TestMongo.start('recheck');
  client = mongo.client;
});

beforeEach(async () => {
  path = await DataPath.begin(client);
  verification = new Verification(path.target, path.control);
  await path.control.beginVerification();
  await path.orders.insertMany([1, 2, 3].map((n) => ({ _id: new Int32(n), a: 1 })));
  await path.follow();
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

function begin(force: readonly string[] = []): Recheck {
  return new Recheck({
    opened: {
      source: path.source,
      sourceCollection: path.name,
      target: path.target,
      targetCollection: path.name,
      staging: 'none',
      control: path.control,
      verification,
    },
    pinnedSource: async () => path.source,
    force,
    pulse: { signal: new AbortController().signal, touch: () => undefined },
  });
}

const changed = async (recheck: Recheck) => recheck.compareChanged(await path.control.read());

async function settled(recheck: Recheck) {
  const { differences, rechecked } = await recheck.settle(await path.now());
  return { rechecked, found: differences.map(({ id, kind }) => [id.bytes[0], kind]) };
}

it('compares after the fence only what has changed since the last look before it', async () => {
  const recheck = begin();
  expect(await changed(recheck)).toBe(3);
  expect(await changed(recheck)).toBe(0);
  await path.orders.updateOne({ _id: new Int32(2) }, { $set: { a: 2 } });
  await path.follow();
  expect(await settled(recheck)).toEqual({ rechecked: 1, found: [] });
});

it('finds after the fence what differed before it and still does, and only that', async () => {
  const recheck = begin();
  await path.copy.updateOne({ _id: new Int32(1) }, { $set: { a: new Double(1) } });
  await path.copy.deleteOne({ _id: new Int32(2) });
  await changed(recheck);
  await path.orders.updateOne({ _id: new Int32(1) }, { $set: { b: 1 } });
  await path.follow();
  expect(await settled(recheck)).toEqual({ rechecked: 2, found: [[2, 'missing']] });
});

it('finds in its last look what a change made different after all others', async () => {
  const recheck = begin();
  await changed(recheck);
  await path.orders.updateOne({ _id: new Int32(3) }, { $set: { a: 3 } });
  await path.follow();
  await path.copy.updateOne({ _id: new Int32(3) }, { $unset: { a: 1 } });
  expect((await settled(recheck)).found).toEqual([[3, 'differs']]);
});

it('looks at known differences again, whoever has found them', async () => {
  const recheck = begin(['verification']);
  const difference = (n: number) => ({ id: rawOf(new Int32(n)), kind: 'differs' as const });
  await verification.replaceOpen(0, [difference(1), difference(2)], []);
  await path.copy.updateOne({ _id: new Int32(2) }, { $set: { a: 9 } });
  expect(await settled(recheck)).toEqual({ rechecked: 2, found: [[2, 'differs']] });
});

it('looks again at what a comparison of everything has found, and does not know yet whether it stands', async () => {
  const recheck = begin();
  await changed(recheck);
  const difference = (n: number) => ({ id: rawOf(new Int32(n)), kind: 'differs' as const });
  const young = await verification.keepYoung(0, [difference(1), difference(2)]);
  await path.copy.updateOne({ _id: new Int32(2) }, { $set: { a: 9 } });
  expect(await settled(recheck)).toEqual({ rechecked: 2, found: [[2, 'differs']] });
  await verification.forgetYoung(young);
  expect((await verification.young()).differences).toEqual([]);
});

it('takes no document for different that was written after the fence', async () => {
  const recheck = begin();
  await path.copy.updateOne({ _id: new Int32(2) }, { $set: { a: 9 } });
  const fence = await path.now();
  await path.orders.updateMany({ _id: { $ne: new Int32(2) } }, { $set: { a: 5 } });
  const { differences } = await recheck.settle(fence);
  expect(differences.map(({ id }) => id.bytes[0])).toEqual([2]);
});
