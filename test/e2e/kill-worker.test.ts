import { afterAll, beforeAll, expect, it } from 'vitest';
import type { MigrationStatus } from '../../src/workflows/status.js';
import { Environment } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 60_000;

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start();
});

afterAll(async () => {
  await environment.stop();
});

/** Moments at which the worker is killed, in the order in which they come. */
const moments: readonly [string, (status: MigrationStatus) => boolean][] = [
  ['copying begins', ({ phase }) => phase !== 'preflight'],
  ['some is copied', ({ copied }) => copied.documents > 0],
  // Nobody can be asked while there is no worker: it may be further by then.
  ['replay begins', ({ phase }) => phase === 'replaying' || phase === 'ready'],
  ['documents are compared', ({ verification }) => verification.documents > 0],
  ['it is ready', ({ phase }) => phase === 'ready'],
];

it.each(['dump', 'direct'] as const)('kill -9 in each phase, copy: %s', async (copy) => {
  await loadItems(environment.sourceClient, copy, DOCUMENTS);
  let worker = environment.startWorker();
  const writers = new Writers(environment.sourceClient, copy, DOCUMENTS, 500);
  const handle = await environment.migrate(copy, { copy, partitionBytes: 4 * 1024 ** 2 });
  for (const [moment, isReached] of moments) {
    await environment.until(handle, moment, isReached);
    await worker.kill('SIGKILL');
    worker = environment.startWorker();
  }
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await writers.stop();
  const status = await environment.cutOver(handle);

  expect(status.phase).toBe('completed');
  expect(status.lateWrites?.count).toBe(0);
  const [source, target] = await environment.hashes(copy);
  expect(target).toBe(source);
  expect(await environment.leftovers()).toEqual([]);
  await worker.kill('SIGTERM');
});

it('kill -9 during the cutover', async () => {
  const name = 'cutover';
  await loadItems(environment.sourceClient, name, DOCUMENTS);
  const worker = environment.startWorker();
  const writers = new Writers(environment.sourceClient, name, DOCUMENTS, 500);
  const handle = await environment.migrate(name, { copy: 'direct' });
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  await writers.stop();
  await handle.signal('cutover');
  await worker.kill('SIGKILL');
  const successor = environment.startWorker();
  await environment.until(handle, 'the end', ({ phase }) => phase === 'completed');

  const [source, target] = await environment.hashes(name);
  expect(target).toBe(source);
  expect(await environment.leftovers()).toEqual([]);
  await successor.kill('SIGTERM');
});
