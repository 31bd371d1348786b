import { Double, Int32, Long, MinKey, Timestamp } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readCatalogue } from '../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../src/mongo/catalogue-difference.js';
import { openCursors } from '../faults/sessions.js';
import { featuresOf } from '../soak/collections.js';
import { Environment, untilServing, type WorkerProcess } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 20_000;

let environment: Environment;
let worker: WorkerProcess;

beforeAll(async () => {
  environment = await Environment.start();
  worker = environment.startWorker();
});

afterAll(async () => {
  await environment.stop();
});

async function expectEqual(name: string): Promise<void> {
  const [source, target] = await environment.hashes(name);
  expect(target).toBe(source);
  const [from, to] = await Promise.all(
    [environment.sourceClient, environment.targetClient].map((client) =>
      readCatalogue(client.db('shop'), name),
    ),
  );
  expect(from && to && compareCatalogues(from, to)).toEqual([]);
  expect(await environment.leftovers()).toEqual([]);
}

it.each([
  ['dump', 'stream', false],
  ['dump', 'marker', true],
  ['direct', 'stream', false],
  ['direct', 'marker', false],
] as const)('migrates under writes: copy %s, token %s, gzip %s', async (copy, token, gzip) => {
  const name = `${copy}.${token}`;
  await loadItems(environment.sourceClient, name, DOCUMENTS);
  const writers = new Writers(environment.sourceClient, name, DOCUMENTS, 400);
  const handle = await environment.migrate(name, {
    copy,
    token,
    gzip,
    partitionBytes: 2 * 1024 ** 2,
  });
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await writers.stop();
  const status = await environment.cutOver(handle);

  expect(status.phase).toBe('completed');
  expect(status.verification.report).toMatchObject({ differing: 0, missing: 0, extra: 0 });
  expect(status.cutover?.copied.documents).toBeGreaterThanOrEqual(DOCUMENTS);
  expect(writers.done).toBeGreaterThan(0);
  await expectEqual(name);
  const markers = [environment.sourceClient, environment.targetClient].map((client) =>
    client.db('shop').collection<{ _id: number }>(name).countDocuments({ _id: -1 }),
  );
  expect(await Promise.all(markers)).toEqual([0, 0]);
  for (const client of [environment.sourceClient, environment.targetClient]) {
    await expect.poll(() => openCursors(client), { timeout: 10_000 }).toEqual([]);
  }
});

it.each(['dump', 'direct'] as const)(
  'is copied by all workers there are, copy %s',
  async (copy) => {
    const name = `shared-${copy}`;
    await loadItems(environment.sourceClient, name, 3 * DOCUMENTS);
    const other = environment.startWorker({ WORKER_HOST: 'other' });
    await untilServing(other);
    const handle = await environment.migrate(name, { copy, partitionBytes: 2 ** 20 });
    const status = await environment.cutOver(handle);
    await other.kill('SIGTERM');

    expect(status.phase).toBe('completed');
    await expectEqual(name);
    const events = (await handle.fetchHistory()).events ?? [];
    const copies = events.flatMap(({ eventId, activityTaskScheduledEventAttributes: scheduled }) =>
      /^(?:dump|copyPartition)$/.test(scheduled?.activityType?.name ?? '') ? [String(eventId)] : [],
    );
    const hosts = events.flatMap(({ activityTaskStartedEventAttributes: started }) =>
      started && copies.includes(String(started.scheduledEventId)) ? [started.identity] : [],
    );
    expect(hosts.length).toBeGreaterThan(16);
    const byOther = hosts.filter((identity) => identity?.endsWith('@other')).length;
    expect(byOther).toBeGreaterThan(2);
    expect(hosts.length - byOther).toBeGreaterThan(2);
  },
);

it.each(['dump', 'direct'] as const)(
  'moves odd documents and an _id that changes its type, copy %s',
  async (copy) => {
    const name = `odd ${copy} %/é`;
    const collection = environment.sourceClient.db('shop').collection<{ _id: unknown }>(name);
    const odd = [
      { _id: null, a: 1 },
      { _id: new Int32(5), kept: 'int' },
      { _id: 'text', '10': 1, '9': 2, '': 3 },
      { _id: new MinKey(), long: Long.fromString('9007199254740993'), minus: new Double(-0) },
      {
        _id: new Map([
          ['2', 'b'],
          ['1', 'a'],
        ]),
        nested: { $x: 1, 'a.b': 2 },
      },
      { _id: { nan: Number.NaN }, at: new Date(-1) },
    ];
    await collection.insertMany(odd);
    // An insert would turn it into the current time.
    await collection.updateOne({ _id: 'text' } as never, [
      { $set: { empty: { $literal: new Timestamp({ t: 0, i: 0 }) } } },
    ]);
    const handle = await environment.migrate(name, { copy });
    await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
    await collection.deleteOne({ _id: 5 } as never);
    await collection.insertOne({ _id: new Double(5), kept: 'double' } as never);
    await collection.updateOne({ _id: null } as never, [
      { $set: { empty: { $literal: new Timestamp({ t: 0, i: 0 }) } } },
    ]);
    const status = await environment.cutOver(handle);

    expect(status.phase).toBe('completed');
    await expectEqual(name);
  },
);

it('takes unique values that move between documents in one transaction', async () => {
  const name = 'seats';
  const seats = environment.sourceClient.db('shop').collection<{ _id: number; seat: string }>(name);
  await seats.createIndex({ seat: 1 }, { unique: true });
  await seats.insertMany(Array.from({ length: 9 }, (_, _id) => ({ _id, seat: `s${_id}` })));
  const handle = await environment.migrate(name, { copy: 'direct' });
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await environment.sourceClient.withSession((session) =>
    session.withTransaction(async () => {
      const sit = (_id: number, seat: string) =>
        seats.updateOne({ _id }, { $set: { seat } }, { session });
      // Two swap, three rotate, and one is handed over by a delete.
      for (const ids of [
        [0, 1],
        [2, 3, 4],
      ]) {
        for (const _id of ids) await sit(_id, `none${_id}`);
        for (const [at, _id] of ids.entries()) await sit(_id, `s${ids[(at + 1) % ids.length]}`);
      }
      await seats.deleteOne({ _id: 5 }, { session });
      await seats.insertOne({ _id: 10, seat: 's5' }, { session });
    }),
  );
  const status = await environment.cutOver(handle);

  expect(status.phase).toBe('completed');
  await expectEqual(name);
  const target = environment.targetClient
    .db('shop')
    .collection<{ _id: number; seat: string }>(name);
  expect((await target.findOne({ seat: 's5' }))?._id).toBe(10);
  await expect(target.insertOne({ _id: 11, seat: 's5' })).rejects.toMatchObject({ code: 11000 });
});

it('keeps options and order of a capped collection', async () => {
  const db = environment.sourceClient.db('shop');
  await db.createCollection('capped', { capped: true, size: 100_000, max: 100 });
  const collection = db.collection<{ _id: number }>('capped');
  await collection.insertMany(Array.from({ length: 150 }, (_, index) => ({ _id: 1000 - index })));
  const handle = await environment.migrate('capped', { copy: 'direct' });
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await collection.insertMany([{ _id: 5000 }, { _id: 4000 }, { _id: 6000 }]);
  await environment.cutOver(handle);

  const order = (client: typeof environment.sourceClient) =>
    client.db('shop').collection('capped').find().sort({ $natural: 1 }).toArray();
  expect(await order(environment.targetClient)).toEqual(await order(environment.sourceClient));
  await expectEqual('capped');
});

it('keeps clustering', async ({ skip }) => {
  const { clustered } = featuresOf(...(await environment.versions()));
  skip(!clustered, 'one of the servers is older than 5.3');
  const clusteredIndex = { key: { _id: 1 }, unique: true };
  const db = environment.sourceClient.db('shop');
  const documents = await db.createCollection<{ _id: number }>('clustered', { clusteredIndex });
  await documents.insertMany([{ _id: 2 }, { _id: 1 }]);
  const handle = await environment.migrate('clustered');
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await documents.insertOne({ _id: 3 });
  await environment.cutOver(handle);
  await expectEqual('clustered');
});

it('keeps a collation', async () => {
  const collation = { locale: 'en', strength: 2 };
  const db = environment.sourceClient.db('shop');
  const documents = await db.createCollection<{ _id: string }>('collated', { collation });
  await documents.insertMany([{ _id: 'a' }, { _id: 'B' }]);
  const handle = await environment.migrate('collated');
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await documents.deleteOne({ _id: 'a' });
  await documents.insertOne({ _id: 'A' });
  await environment.cutOver(handle);
  await expectEqual('collated');
});

it('keeps a validator and documents that it would refuse', async () => {
  const { images } = featuresOf(...(await environment.versions()));
  const changeStreamPreAndPostImages = { enabled: true };
  const db = environment.sourceClient.db('shop');
  const documents = await db.createCollection<{ _id: number; old?: boolean; x?: number }>(
    'validated',
    images ? { changeStreamPreAndPostImages } : {},
  );
  await documents.insertOne({ _id: 1, old: true });
  await db.command({
    collMod: 'validated',
    validator: { price: { $gt: 0 } },
    validationLevel: 'moderate',
    validationAction: 'error',
  });
  const handle = await environment.migrate('validated');
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await documents.updateOne({ _id: 1 }, { $set: { x: 1 } });
  await environment.cutOver(handle);
  await expectEqual('validated');
});

it('ends cleanly at SIGTERM', async () => {
  await worker.kill('SIGTERM');

  expect(worker.process.exitCode).toBe(0);
});
