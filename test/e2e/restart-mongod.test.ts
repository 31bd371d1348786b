import { afterAll, beforeAll, expect, it } from 'vitest';
import { Environment } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 40_000;

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start();
  environment.startWorker();
});

afterAll(async () => {
  await environment.stop();
});

it.each(['dump', 'direct'] as const)(
  'kill -9 and restart of each mongod while it runs, copy %s',
  async (copy) => {
    await loadItems(environment.sourceClient, copy, DOCUMENTS);
    const writers = new Writers(environment.sourceClient, copy, DOCUMENTS, 300);
    const handle = await environment.migrate(copy, { copy, partitionBytes: 2 * 1024 ** 2 });
    await environment.until(handle, 'copying', ({ copied }) => copied.documents > 0);
    await environment.target.kill('SIGKILL');
    await environment.target.restart();
    await environment.until(handle, 'copying', ({ live }) => live.error === undefined);
    await environment.source.kill('SIGKILL');
    await environment.source.restart();
    await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
    await environment.source.kill('SIGKILL');
    await environment.source.restart();
    await environment.target.kill('SIGKILL');
    await environment.target.restart();
    const status = await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
    expect(status.stalled).toBe(false);
    await writers.stop();
    expect((await environment.cutOver(handle)).phase).toBe('completed');

    const [source, target] = await environment.hashes(copy);
    expect(target).toBe(source);
    expect(await environment.leftovers()).toEqual([]);
  },
);
