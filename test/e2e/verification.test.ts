import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { MigrationStatus } from '../../src/workflows/status.js';
import { Environment } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 5_000;

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start();
  environment.startWorker();
});

afterAll(async () => {
  await environment.stop();
});

/** What somebody does to one document at the target, by its `_id`. */
async function plant(name: string, _id: number, update: object): Promise<void> {
  const target = environment.targetClient.db('shop').collection<{ _id: number }>(name);
  expect((await target.updateOne({ _id }, update)).modifiedCount).toBe(1);
}

it('finds and names what somebody writes to the target, and refuses the cutover', async () => {
  const name = 'planted';
  await loadItems(environment.sourceClient, name, DOCUMENTS);
  const handle = await environment.migrate(name, { copy: 'direct' });
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  await plant(name, 7, { $set: { group: 99 } });

  // Documents that nobody changes at the source are found when all is compared again.
  const found = await environment.until(handle, 'differences', ({ blockers }) =>
    blockers.some(({ code }) => code === 'differences'),
  );
  expect(found.mayCutOver).toBe(false);
  expect(found.verification.report).toMatchObject({
    differing: 1,
    first: [{ id: '7', kind: 'differs', field: 'group' }],
  });
  const refused = handle.executeUpdate('cutover', { args: [{}] });
  await expect(refused).rejects.toMatchObject({
    cause: { message: expect.stringContaining('7 differs (group)') },
  });

  await plant(name, 7, { $set: { group: 7 % 3 } });
  const status = await environment.cutOver(handle);
  expect(status.verification).toMatchObject({
    report: { differing: 0, missing: 0, extra: 0, first: [] },
    catalogue: { indexes: 4, differences: [] },
  });
  const [source, target] = await environment.hashes(name);
  expect(target).toBe(source);
});

it('finds a difference in a document that changes at the source too, with which only force cuts over', async () => {
  const name = 'changing';
  await loadItems(environment.sourceClient, name, DOCUMENTS);
  const handle = await environment.migrate(name, { copy: 'direct' });
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  const source = environment.sourceClient.db('shop').collection<{ _id: number }>(name);
  await source.updateOne({ _id: 5 }, { $set: { counter: 1000 } });
  await environment.until(handle, 'the change', ({ applied }) => (applied?.changes ?? 0) > 0);
  await plant(name, 5, { $unset: { email: 1 } });
  // At once, unless the change was compared already: then when all is compared again.
  await environment.until(handle, 'differences', ({ blockers }) =>
    blockers.some(({ code }) => code === 'differences'),
  );
  const refused = handle.executeUpdate('cutover', { args: [{}] });
  await expect(refused).rejects.toMatchObject({
    cause: { message: expect.stringContaining('5 differs (email)') },
  });
  await handle.executeUpdate('cutover', { args: [{ force: ['differences'] }] });
  const forced = (await handle.result()) as MigrationStatus;
  expect(forced).toMatchObject({
    phase: 'completed',
    openedAt: expect.any(String),
    cutover: { differences: { differing: 1, missing: 0, extra: 0, first: [{ id: '5' }] } },
  });
});

it('takes no write after the fence for a difference', async () => {
  const name = 'written';
  await loadItems(environment.sourceClient, name, DOCUMENTS);
  const handle = await environment.migrate(name, { copy: 'direct' });
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  const writers = new Writers(environment.sourceClient, name, DOCUMENTS, 2_000);
  await sleep(2_000);
  await handle.executeUpdate('cutover', { args: [{}] });
  await writers.stop();
  const status = (await handle.result()) as MigrationStatus;
  expect(status.phase).toBe('completed');
  expect(status.cutover?.differences).toMatchObject({ differing: 0, missing: 0, extra: 0 });
  expect(status.lateWrites?.count).toBeGreaterThan(0);
});

it('names long ids and long names of fields by their beginnings', async () => {
  const name = 'long';
  const ids = Array.from({ length: 25 }, (_, n) => `${n} ${'i'.repeat(200_000)}`);
  const field = 'f'.repeat(100_000);
  const [source, target] = [environment.sourceClient, environment.targetClient].map((client) =>
    client.db('shop').collection<{ _id: string }>(name),
  );
  if (!source || !target) throw new Error('there are two');
  await source.insertMany(ids.map((_id) => ({ _id, sub: { [field]: 1 } })));
  const handle = await environment.migrate(name, { copy: 'direct' });
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  // Tokens of the change stream hold the whole `_id`.
  await source.updateMany({}, { $set: { changed: true } });
  await environment.until(handle, 'changes', ({ applied }) => applied?.changes === ids.length);
  const planted = await target.updateMany({}, { $set: { [`sub.${field}`]: 2 } });
  expect(planted.modifiedCount).toBe(ids.length);

  const found = await environment.until(
    handle,
    'differences',
    ({ verification }) => verification.report?.differing === ids.length,
  );
  expect(found.verification.report?.first).toHaveLength(20);
  expect(found.verification.report?.first[0]).toMatchObject({
    id: expect.stringMatching(/^"\d+ i{150,200}…$/),
    field: expect.stringMatching(/^sub\.f{195}…$/),
    what: expect.stringContaining('value'),
  });
  expect(found.blockers).toContainEqual(expect.objectContaining({ code: 'differences' }));
  expect(JSON.stringify(found).length).toBeLessThan(100_000);
  const refused = await handle
    .executeUpdate('cutover', { args: [{}] })
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ cause: { message: expect.stringContaining('25 differ') } });
  expect(JSON.stringify((refused as Error).cause).length).toBeLessThan(50_000);

  await target.updateMany({}, { $set: { [`sub.${field}`]: 1 } });
  const status = await environment.cutOver(handle);
  expect(status.phase).toBe('completed');
  const [one, other] = await environment.hashes(name);
  expect(other).toBe(one);
  const { raw } = await handle.describe();
  expect(Number(raw.workflowExecutionInfo?.historySizeBytes)).toBeLessThan(1_000_000);
});
