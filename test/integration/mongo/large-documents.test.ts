import { Int32 } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readRange } from '../../../src/mongo/range.js';
import { DataPath, must, TestMongo } from '../../helpers/data-path.js';

const KB = 1024;
const MB = 1024 * KB;

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('large');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

async function insert(path: DataPath, from: number, count: number, bytes: number): Promise<void> {
  const text = 'x'.repeat(bytes);
  await path.orders.insertMany(
    Array.from({ length: count }, (_, n) => ({ _id: new Int32(from + n), text })),
  );
}

it.each([
  [1, 100],
  [24, 140],
])('a range of %d MB reads %d documents of the buffer at most', async (megabytes, most) => {
  const path = await DataPath.begin(mongo.client);
  await insert(path, 0, 400, 200 * KB);
  await path.capture();
  const { capture } = await path.control.read();
  const upTo = must(capture.through)._data;
  await path.target.command({ profile: 2 });
  const limits = { events: 50_000, bytes: megabytes * MB };
  const { signal } = new AbortController();
  const range = await readRange(path.target, path.name, undefined, upTo, limits, signal);
  await path.target.command({ profile: 0 });
  const profile = path.target.collection('system.profile');
  const found = await profile
    .find({ ns: { $regex: `[.]cdc[.]${path.name}$` }, op: { $in: ['query', 'getmore'] } })
    .toArray();
  await profile.drop();
  const examined = found.reduce((sum, { docsExamined }) => sum + Number(docsExamined), 0);
  expect(examined).toBeGreaterThanOrEqual(range.changes.length);
  expect(examined).toBeLessThanOrEqual(most);
  expect(range.changes).toHaveLength(Math.ceil((megabytes * MB) / (200 * KB + 300)));
});

it('what one reply of the stream tells of is put into the buffer in parts', async () => {
  const path = await DataPath.begin(mongo.client);
  await insert(path, 0, 250, 200 * KB);
  await insert(path, 250, 500, 200 * KB);
  const commits = await path.capture(undefined, undefined, {});
  expect(commits.reduce((sum, { buffered }) => sum + buffered, 0)).toBe(750);
  // Of the second reply, of which it is known by then how large such documents are.
  expect(commits.length).toBeGreaterThanOrEqual(3);
  await path.replay();
  expect(await path.hashes()).toSatisfy(({ source, target }) => source === target);
});
