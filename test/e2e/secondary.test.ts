import { afterAll, beforeAll, expect, it } from 'vitest';
import { Environment } from './environment.js';
import { loadItems, Writers } from './writers.js';

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start({ source: { members: 3 } });
  const primary = await environment.source.primary();
  const secondary = environment.source.members.find((member) => member !== primary);
  environment.startWorker({
    MONGODB_URI_SOURCE: `mongodb://${secondary?.host}/?directConnection=true`,
  });
});

afterAll(async () => {
  await environment.stop();
});

it('ends equal although the worker reaches a secondary of the source only', async () => {
  const name = 'items';
  await loadItems(environment.sourceClient, name, 10_000);
  const writers = new Writers(environment.sourceClient, name, 10_000, 300);
  const handle = await environment.migrate(name);
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  await writers.stop();
  const status = await environment.cutOver(handle);
  expect(status).toMatchObject({ phase: 'completed', lateWrites: { count: 0 } });
  const [source, target] = await environment.hashes(name);
  expect(target).toBe(source);
});
