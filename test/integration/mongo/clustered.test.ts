import { type Db, Int32, Timestamp } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compareIds, readByIds } from '../../../src/mongo/compare.js';
import { idOf } from '../../../src/mongo/raw.js';
import { rawOf } from '../../helpers/bson.js';
import { CLUSTERED, DataPath, readRaw, TestMongo } from '../../helpers/data-path.js';
import { Dice } from '../../soak/dice.js';
import { newDocument } from '../../soak/documents.js';
import { idSeries } from '../../soak/ids.js';
import { runWithDocuments } from '../../../src/mongo/raw.js';

const DOCUMENTS = 3_000;
const { signal } = new AbortController();

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('clustered');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** Statements that read so much of a collection, or of its buffer, as nothing about single documents has to. */
async function scansOf(db: Db, name: string): Promise<unknown[]> {
  return db
    .collection('system.profile')
    .find({
      ns: { $regex: `[.]${name}$` },
      docsExamined: { $gt: DOCUMENTS / 2 },
      planSummary: 'COLLSCAN',
      // A change stream reads the oplog.
      op: { $ne: 'getmore' },
    })
    .project({ _id: 0, op: 1, ns: 1, docsExamined: 1, command: 1 })
    .toArray();
}

it.each([
  ['an ordinary collection', {}],
  ['a clustered collection', CLUSTERED],
])('nothing that is about some documents of %s reads all of it', async (_what, options) => {
  const path = await DataPath.begin(mongo.client, options);
  const { clustered } = options as { clustered?: boolean };
  await path.orders.insertMany(
    Array.from({ length: DOCUMENTS }, (_, n) => ({ _id: new Int32(n), n })),
  );
  await path.follow();
  // Of all kinds: merged, written by the worker, deleted, gone before they are read.
  await path.orders.updateMany({ n: { $lt: DOCUMENTS / 2 } }, { $inc: { v: 1 } });
  await path.orders.updateMany({ n: { $mod: [3, 0] } }, { $set: { empty: new Timestamp(0n) } });
  await path.orders.deleteMany({ n: { $mod: [5, 0] } });
  for (const db of [path.source, path.target]) await db.command({ profile: 2 });
  await path.follow();
  const ids = Array.from({ length: 1_500 }, (_, n) => rawOf(new Int32(2 * n)));
  const [source, target] = [path.source, path.target].map((db) => ({
    db,
    collection: path.name,
    clustered,
  }));
  if (!source || !target) throw new Error('there are two sides');
  expect(await compareIds(source, target, ids, signal)).toEqual([]);
  for (const db of [path.source, path.target]) await db.command({ profile: 0 });
  expect(await scansOf(path.source, path.name)).toEqual([]);
  expect(await scansOf(path.target, path.name)).toEqual([]);
  const { source: left, target: right } = await path.sides();
  expect(right).toEqual(left);
  for (const db of [path.source, path.target]) await db.collection('system.profile').drop();
});

it('what the worker writes itself is read from the buffer once, in whatever order it has changed', async () => {
  const path = await DataPath.begin(mongo.client);
  const count = 12_000;
  await path.orders.insertMany(
    Array.from({ length: count }, (_, n) => ({ _id: new Int32(n), t: new Timestamp(1n) })),
  );
  await path.follow();
  await path.buffer.deleteMany({});
  // 7,919 is a prime that does not divide the count: neighbours in the stream are none in the collection.
  const updates = Array.from({ length: count }, (_, n) => ({
    updateOne: {
      filter: { _id: new Int32((n * 7_919) % count) },
      update: [{ $set: { t: { $literal: new Timestamp(0n) } } }],
    },
  }));
  await path.orders.bulkWrite(updates);
  await path.capture();
  const bundles = await path.buffer.countDocuments();
  expect(bundles).toBeGreaterThan(100);
  // Each entry holds the keys that were asked for.
  await path.target.createCollection('system.profile', { capped: true, size: 64 << 20 });
  const reads = { op: { $in: ['query', 'getmore'] } };
  await path.target.command({ profile: 1, filter: reads });
  await path.replay();
  await path.target.command({ profile: 0, filter: 'unset' });
  const profile = path.target.collection('system.profile');
  const found = await profile.find({ ns: { $regex: `[.]cdc[.]${path.name}$` } }).toArray();
  await profile.drop();
  const examined = found.reduce((sum, { docsExamined }) => sum + Number(docsExamined), 0);
  // Once without the documents, and once with them.
  expect(examined).toBeGreaterThanOrEqual(2 * bundles);
  expect(examined).toBeLessThan(2.5 * bundles);
  const { source, target } = await path.sides();
  expect(target).toEqual(source);
});

it('documents are found as they are, whatever is in them', async () => {
  const path = await DataPath.begin(mongo.client, CLUSTERED);
  const dice = new Dice('clustered');
  const documents = Array.from({ length: 500 }, (_, n) => {
    const { equals } = idSeries.mixed(n + 1, dice);
    const id = equals[0]?.(n + 1);
    if (!id) throw new Error('a series has an _id');
    return newDocument(id, n, dice, { odd: 0.8, dollarNames: true });
  });
  const reply = await runWithDocuments(
    path.source,
    { insert: path.name, ordered: false },
    'documents',
    documents,
  );
  expect(Number(reply['n'])).toBeGreaterThan(400);
  const stored = await readRaw(path.source, path.name);
  const side = { db: path.source, collection: path.name, clustered: true };
  const found = await readByIds(side, stored.map(idOf), signal);
  expect(found.size).toBe(stored.length);
  for (const document of stored) {
    expect(found.get(idOf(document).key)?.equals(document)).toBe(true);
  }
});
