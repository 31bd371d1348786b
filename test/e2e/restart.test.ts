import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ControlDocument } from '../../src/mongo/control-document.js';
import type { MigrationStatus } from '../../src/workflows/status.js';
import { Environment } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 5_000;
/** So slow that whatever is limited by it goes on until the limit is taken away. */
const CRAWL = 1;

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start();
});

afterAll(async () => {
  await environment.stop();
});

async function expectEqual(name: string, status: MigrationStatus): Promise<void> {
  expect(status).toMatchObject({ phase: 'completed', restarts: { count: 1 } });
  expect(status.verification.report).toMatchObject({ differing: 0, missing: 0, extra: 0 });
  const [source, target] = await environment.hashes(name);
  expect(target).toBe(source);
  expect(await environment.leftovers()).toEqual([]);
}

it.each(['dump', 'direct'] as const)(
  'a target that somebody has written to is copied anew while writers write, copy: %s',
  async (copy) => {
    const name = `repaired-${copy}`;
    const worker = environment.startWorker();
    await loadItems(environment.sourceClient, name, DOCUMENTS);
    const writers = new Writers(environment.sourceClient, name, DOCUMENTS, 200);
    const limit = { verifyDocumentsPerSecond: CRAWL };
    const handle = await environment.migrate(name, { copy, ...limit });
    await environment.until(handle, 'comparison', ({ verification }) => {
      return verification.state === 'running';
    });
    const target = environment.targetClient.db('shop');
    await target.collection<{ _id: number }>(name).insertOne({ _id: 1_000_000_000 });
    await handle.executeUpdate('tune', { args: [{ verifyDocumentsPerSecond: null }] });
    const differing = await environment.until(handle, 'the difference', ({ blockers }) =>
      blockers.some(({ code }) => code === 'differences'),
    );
    await expect(handle.executeUpdate('cutover', { args: [{}] })).rejects.toThrow();

    await handle.executeUpdate('restart', { args: [{ reason: 'somebody wrote there' }] });
    const ready = await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
    await writers.stop();
    const status = await environment.cutOver(handle);
    await expectEqual(name, status);
    expect(ready.restarts).toMatchObject({ count: 1, reason: 'somebody wrote there' });
    expect(ready.startedAt).toBe(differing.startedAt);
    expect(status.cutover?.captured).toBeGreaterThan(differing.captured?.events ?? 0);
    await worker.kill('SIGTERM');
  },
);

it.each([
  ['round-begun', 'replaying', 'dump', { verifyDocumentsPerSecond: CRAWL }],
  ['copy-dropped', 'copying', 'direct', { copyDocumentsPerSecond: CRAWL }],
] as const)(
  'a worker that dies at %s, after a restart in phase %s',
  async (point, phase, copy, limit) => {
    const name = `dies-at-${point}`;
    const worker = environment.startWorker({ CSM_TEST_FAILPOINT: point });
    const died = once(worker.process, 'exit');
    await loadItems(environment.sourceClient, name, DOCUMENTS);
    const writers = new Writers(environment.sourceClient, name, DOCUMENTS, 200);
    const handle = await environment.migrate(name, { copy, ...limit });
    await environment.until(handle, phase, (status) => {
      return status.phase === phase && status.copied.documents > 0;
    });
    await handle.executeUpdate('restart', { args: [{}] });
    await died;
    const control = environment.targetClient.db('shop').collection<ControlDocument>('cdc');
    expect(await control.findOne({ _id: name })).toMatchObject({ round: 1 });
    const successor = environment.startWorker();
    const free = Object.fromEntries(Object.keys(limit).map((each) => [each, null]));
    await handle.executeUpdate('tune', { args: [free] });
    await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
    await writers.stop();
    await expectEqual(name, await environment.cutOver(handle));
    await successor.kill('SIGTERM');
  },
);
