import type { WorkflowHandle } from '@temporalio/client';
import type { Document } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCatalogue } from '../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../src/mongo/catalogue-difference.js';
import { type Features, featuresOf } from '../soak/collections.js';
import { Environment, type WorkerProcess } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 5_000;

let environment: Environment;
let worker: WorkerProcess;
let features: Features;

beforeAll(async () => {
  environment = await Environment.start();
  worker = environment.startWorker();
  features = featuresOf(...(await environment.versions()));
});

afterAll(async () => {
  await environment.stop();
});

const shop = () => environment.sourceClient.db('shop');
const collMod = (name: string, change: Document) => shop().command({ collMod: name, ...change });

async function reach(handle: WorkflowHandle, phase: string): Promise<void> {
  await environment.until(handle, phase, (status) => status.phase === phase);
}

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

/** Changes indexes and options in every way that both servers have. */
async function reshape(name: string): Promise<void> {
  const items = shop().collection(name);
  await items.createIndexes([
    { key: { group: 1, counter: -1 }, name: 'plain' },
    { key: { _id: -1, email: 1 }, name: 'unique', unique: true },
    { key: { other: 1 }, name: 'expiring', expireAfterSeconds: 1_000_000 },
    { key: { tags: 1 }, name: 'partial', partialFilterExpression: { group: { $gt: 1 } } },
    ...(features.twins ? [{ key: { email: 1 }, name: 'twin' }] : []),
  ]);
  await items.dropIndex('counter_1_group_-1');
  await collMod(name, { index: { name: 'email_1', hidden: true } });
  await collMod(name, { index: { name: 'at_1', expireAfterSeconds: 1_500_000_000 } });
  await collMod(name, {
    validator: { group: { $type: 'number' } },
    validationLevel: 'moderate',
    validationAction: 'warn',
  });
  if (features.images) await collMod(name, { changeStreamPreAndPostImages: { enabled: true } });
}

describe('changes of shape while a migration runs', () => {
  it.each(['copying', 'ready'] as const)('arrive at the target: phase %s', async (phase) => {
    const name = `reshaped-${phase}`;
    await loadItems(environment.sourceClient, name, DOCUMENTS);
    const writers = new Writers(environment.sourceClient, name, DOCUMENTS, 200);
    const early = phase === 'copying';
    const handle = await environment.migrate(name, early ? { restore: 'signal' } : {});
    await reach(handle, early ? 'waiting' : 'ready');
    await reshape(name);
    if (early) await handle.signal('restore');
    await reach(handle, 'ready');
    await writers.stop();
    const status = await environment.cutOver(handle);
    expect(status.phase).toBe('completed');
    expect(status.verification.report).toMatchObject({ differing: 0, missing: 0, extra: 0 });
    await expectEqual(name);
  });

  it('arrive too when they come just before the cutover', async () => {
    await loadItems(environment.sourceClient, 'hasty', DOCUMENTS);
    const handle = await environment.migrate('hasty', { copy: 'direct' });
    await reach(handle, 'ready');
    const items = shop().collection('hasty');
    await items.createIndex({ group: 1 }, { name: 'group' });
    await items.dropIndex('counter_1_group_-1');
    await collMod('hasty', { index: { name: 'email_1', hidden: true } });
    // The cutover waits a moment for the follower, before anything stands still.
    await handle.executeUpdate('cutover', { args: [{}] });
    await handle.result();
    await expectEqual('hasty');
  });

  it('arrive from a capped collection', async ({ skip }) => {
    skip(!features.resize, 'one of the servers is older than 6.0');
    await shop().createCollection('resized', { capped: true, size: 1_000_000, max: 5_000 });
    await shop().collection<{ _id: number }>('resized').insertOne({ _id: 1 });
    const handle = await environment.migrate('resized', { copy: 'direct', restore: 'signal' });
    await reach(handle, 'waiting');
    await collMod('resized', { cappedSize: 2_000_000 });
    await handle.signal('restore');
    await reach(handle, 'ready');
    await collMod('resized', { cappedMax: 9_000 });
    await environment.cutOver(handle);
    await expectEqual('resized');
  });

  it('wait for a resume, and for a worker that was killed', async () => {
    await loadItems(environment.sourceClient, 'waits', DOCUMENTS);
    const handle = await environment.migrate('waits', { copy: 'direct' });
    await reach(handle, 'ready');
    await handle.executeUpdate('pause', { args: [{}] });
    await shop().collection('waits').createIndex({ group: 1 }, { name: 'later' });
    const target = environment.targetClient.db('shop').collection('waits');
    await worker.kill('SIGKILL');
    expect((await target.indexes()).map(({ name }) => name)).not.toContain('later');
    worker = environment.startWorker();
    await handle.executeUpdate('resume', { args: [{}] });
    await expect
      .poll(async () => (await target.indexes()).map(({ name }) => name), { timeout: 60_000 })
      .toContain('later');
    await environment.cutOver(handle);
    await expectEqual('waits');
  });

  it('are not undone by a worker that stood still until the target was open', async () => {
    await loadItems(environment.sourceClient, 'zombie', DOCUMENTS);
    const handle = await environment.migrate('zombie', { copy: 'direct' });
    await reach(handle, 'ready');
    const zombie = worker;
    zombie.process.kill('SIGSTOP');
    worker = environment.startWorker();
    await reshape('zombie');
    await environment.cutOver(handle);
    const said = zombie.log().length;
    zombie.process.kill('SIGCONT');
    await expect.poll(() => zombie.log().slice(said), { timeout: 30_000 }).toContain('followShape');
    await expectEqual('zombie');
    await zombie.kill('SIGKILL');
    await expectEqual('zombie');
  });

  it('refuse the cutover when the target does not take an index, and name it', async () => {
    await loadItems(environment.sourceClient, 'refused', DOCUMENTS);
    const handle = await environment.migrate('refused', { copy: 'direct' });
    await reach(handle, 'ready');
    const planted = environment.targetClient
      .db('shop')
      .collection<{ _id: number; x: number[]; y: number[] }>('refused');
    await planted.insertOne({ _id: -7, x: [1, 2], y: [1, 2] });
    await shop().collection('refused').createIndex({ x: 1, y: 1 });
    const status = await environment.until(handle, 'a problem', ({ problem }) => problem !== null);
    expect(status.problem?.what).toMatch(/index "x_1_y_1" .*parallel arrays/);
    expect(status.phase).toBe('ready');
    expect(status.blockers.map(({ code }) => code)).toContain('shape');
    const refusal: unknown = await handle
      .executeUpdate('cutover', { args: [{ force: ['differences'] }] })
      .catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      cause: { type: 'CutoverRefused', message: expect.stringContaining('index "x_1_y_1"') },
    });
    await planted.deleteOne({ _id: -7 });
    await environment.cutOver(handle);
    await expectEqual('refused');
  });
});

it('deletes of all documents are deletes like any other', async () => {
  await loadItems(environment.sourceClient, 'emptied', DOCUMENTS);
  const handle = await environment.migrate('emptied', { restore: 'signal' });
  await reach(handle, 'waiting');
  const items = shop().collection<{ _id: number }>('emptied');
  await items.deleteMany({});
  await items.insertOne({ _id: 1 });
  await handle.signal('restore');
  await reach(handle, 'ready');
  await items.deleteMany({});
  await environment.cutOver(handle);
  await expectEqual('emptied');
});

describe('a source that goes away ends the migration and leaves nothing half done', () => {
  const endings: [string, (name: string) => Promise<unknown>][] = [
    [
      'dropped and created again',
      async (name) => {
        await shop().dropCollection(name);
        await shop().collection<{ _id: number }>(name).insertOne({ _id: 1 });
      },
    ],
    ['renamed', (name) => shop().renameCollection(name, `${name}-elsewhere`)],
    [
      'replaced by a rename',
      async (name) => {
        await shop().collection<{ _id: number }>(`${name}-other`).insertOne({ _id: 1 });
        await shop().renameCollection(`${name}-other`, name, { dropTarget: true });
      },
    ],
    ['gone with its database', () => shop().dropDatabase()],
  ];
  const cases = endings.flatMap(([what, end], index) =>
    (['copying', 'waiting', 'ready'] as const).map(
      (phase) => [what, phase, end, `ending-${index}-${phase}`] as const,
    ),
  );

  it.each(cases)('%s, phase %s', async (_what, phase, end, name) => {
    await loadItems(environment.sourceClient, name, phase === 'copying' ? 60_000 : DOCUMENTS);
    const handle = await environment.migrate(name, {
      restore: phase === 'waiting' ? 'signal' : 'auto',
      partitionBytes: 1024 ** 2,
      parallelPartitions: 1,
    });
    const isThere = phase === 'copying' ? copies : inPhase(phase);
    await environment.until(handle, phase, isThere);
    const indexes = await targetIndexes(name);
    await end(name);
    const failure: unknown = await handle.result().catch((error: unknown) => error);
    expect(failure).toMatchObject({ cause: { type: 'ChangeStreamEnded' } });
    expect(await environment.leftovers()).toEqual([]);
    expect(await targetIndexes(name)).toEqual(phase === 'ready' ? indexes : []);
  });
});

const copies = ({ phase, copied }: { phase: string; copied: { documents: number } }) =>
  phase === 'copying' && copied.documents > 0;

function inPhase(wanted: string) {
  return ({ phase }: { phase: string }) => phase === wanted;
}

/** Names of the indexes of the target collection; none when there is no such collection. */
async function targetIndexes(name: string): Promise<string[]> {
  const db = environment.targetClient.db('shop');
  if ((await db.listCollections({ name }).toArray()).length === 0) return [];
  return (await db.collection(name).indexes()).map((index) => String(index.name));
}
