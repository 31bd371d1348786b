import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DryRun } from '../../src/migration.js';
import type { ControlDocument } from '../../src/mongo/control-document.js';
import type { MigrationStatus } from '../../src/workflows/status.js';
import { Environment } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 5_000;
/** So many that comparing them outlasts the message that stops it. */
const MANY_DOCUMENTS = 60_000;

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start();
  environment.startWorker();
});

afterAll(async () => {
  await environment.stop();
});

async function expectEqual(name: string): Promise<void> {
  const [source, target] = await environment.hashes(name);
  expect(target).toBe(source);
  expect(await environment.leftovers()).toEqual([]);
}

it.each(['dump', 'direct'] as const)('restore: "signal" holds the %s copy', async (copy) => {
  const name = `hold-${copy}`;
  await loadItems(environment.sourceClient, name, DOCUMENTS);
  const writers = new Writers(environment.sourceClient, name, DOCUMENTS, 200);
  const handle = await environment.migrate(name, { copy, restore: 'signal' });
  const waiting = await environment.until(handle, 'waiting', ({ phase }) => phase === 'waiting');
  expect(waiting.blockers.map(({ code }) => code)).toContain('waiting');
  const captured = await environment.until(handle, 'capture', (status) => {
    return (status.captured?.events ?? 0) > 50;
  });
  expect(captured.phase).toBe('waiting');
  await handle.signal('restore');
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await writers.stop();
  await environment.cutOver(handle);
  await expectEqual(name);
});

it('a pause stops the replay, not the capture, and a cutover is refused meanwhile', async () => {
  await loadItems(environment.sourceClient, 'paused', DOCUMENTS);
  const handle = await environment.migrate('paused');
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await handle.executeUpdate('pause', { args: [{}] });
  const writers = new Writers(environment.sourceClient, 'paused', DOCUMENTS, 200);
  const paused = await environment.until(handle, 'capture', (status) => {
    return (status.buffer?.documents ?? 0) > 100;
  });
  expect(paused.paused).toBe(true);
  await handle.signal('cutover');
  const refused = await environment.until(handle, 'refusal', (status) => {
    return status.lastRefusal !== null;
  });
  expect(refused.lastRefusal?.blockers.map(({ code }) => code)).toContain('paused');
  await expect(handle.executeUpdate('cutover', { args: [{}] })).rejects.toThrow();
  await handle.executeUpdate('resume', { args: [{}] });
  await writers.stop();
  await environment.cutOver(handle);
  await expectEqual('paused');
});

it('a dry run of a cutover answers and touches nothing', async () => {
  await loadItems(environment.sourceClient, 'dry', DOCUMENTS);
  const handle = await environment.migrate('dry', { copy: 'direct' });
  const ask = async (): Promise<DryRun> => {
    return handle.executeUpdate('cutover', { args: [{ dryRun: true }] });
  };
  await environment.until(handle, 'mayCutOver', ({ mayCutOver }) => mayCutOver);
  const target = environment.targetClient.db('shop');
  const control = target.collection<ControlDocument>('cdc');
  const epochs = async () => {
    const document = await control.findOne({ _id: 'dry' });
    return [document?.capture.epoch, document?.replay.epoch, document?.holder];
  };
  const before = await epochs();
  expect(await ask()).toEqual({ mayCutOver: true, blockers: [] });
  await target.collection<{ _id: number }>('dry').updateOne({ _id: 7 }, { $set: { other: true } });
  await environment.until(handle, 'difference', ({ blockers }) => blockers.length > 0);
  expect((await ask()).blockers.map(({ code }) => code)).toEqual(['differences']);
  expect(await epochs()).toEqual(before);
  expect((await environment.status(handle)).phase).toBe('ready');
  await target.collection<{ _id: number }>('dry').updateOne({ _id: 7 }, { $unset: { other: '' } });
  await environment.cutOver(handle);
});

it('limits are tuned on the way, and the planned cutover comes by itself', async () => {
  await loadItems(environment.sourceClient, 'tuned', DOCUMENTS);
  // At these limits it would take an hour.
  const handle = await environment.migrate('tuned', {
    copy: 'direct',
    copyDocumentsPerSecond: 1,
    verifyDocumentsPerSecond: 1,
    cutover: { whenLagUnder: 5, forSeconds: 1 },
  });
  const tune = async (tuning: object) => handle.executeUpdate('tune', { args: [tuning] });
  const slow = await environment.until(handle, 'copy', ({ copied }) => copied.documents > 0);
  expect(slow.phase).toBe('copying');
  expect(slow.copied.documents).toBeLessThan(DOCUMENTS);
  await tune({ copyDocumentsPerSecond: null });
  const comparing = await environment.until(handle, 'comparison', ({ verification }) => {
    return verification.state === 'running';
  });
  expect(comparing.settings).toMatchObject({
    copyDocumentsPerSecond: null,
    verifyDocumentsPerSecond: 1,
  });
  expect(comparing.cutoverWhen).toEqual({ whenLagUnder: 5, forSeconds: 1 });
  await tune({ verifyDocumentsPerSecond: null });
  expect(((await handle.result()) as MigrationStatus).phase).toBe('completed');
  await expectEqual('tuned');
});

it('a cutover at a time comes by itself', async () => {
  await loadItems(environment.sourceClient, 'timed', DOCUMENTS);
  const handle = await environment.migrate('timed');
  const { settings } = await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  expect(settings.copyDocumentsPerSecond).toBeNull();
  const at = new Date(Date.now() + 2_000);
  await handle.executeUpdate('cutover', { args: [{ at: at.toISOString() }] });
  const final = (await handle.result()) as MigrationStatus;
  expect(Date.parse(final.cutover?.fencedAt ?? '')).toBeGreaterThanOrEqual(at.getTime());
  await expectEqual('timed');
});

it.each([
  ['copying', false],
  ['ready', false],
  ['ready', true],
] as const)('abort in phase %s, dropTarget %s', async (phase, dropTarget) => {
  const name = `abort-${phase}-${dropTarget}`;
  await loadItems(environment.sourceClient, name, DOCUMENTS);
  const [before] = await environment.hashes(name);
  const handle = await environment.migrate(name, phase === 'copying' ? { restore: 'signal' } : {});
  const reached = phase === 'copying' ? 'waiting' : phase;
  await environment.until(handle, reached, (status) => status.phase === reached);
  await handle.executeUpdate('abort', { args: [{ dropTarget }] });
  const status = (await handle.result()) as MigrationStatus;

  expect(status.phase).toBe('aborted');
  const isLeft = phase === 'ready' && !dropTarget;
  expect(status.left).toEqual(isLeft ? [`shop.${name}`] : []);
  const target = await environment.targetClient.db('shop').listCollections({ name }).toArray();
  expect(target).toHaveLength(isLeft ? 1 : 0);
  expect(await environment.leftovers()).toEqual([]);
  expect((await environment.hashes(name))[0]).toBe(before);
});

it('a misspelt signal and a wrong payload are shown', async () => {
  await loadItems(environment.sourceClient, 'misspelt', 100);
  const handle = await environment.migrate('misspelt');
  await handle.signal('cutOver');
  await handle.signal('abort', { dropTraget: true });
  const status = await environment.until(handle, 'both', ({ rejectedMessages }) => {
    return rejectedMessages.length === 2;
  });
  expect(status.rejectedMessages.map(({ message }) => message).join(' ')).toMatch(
    /cutOver.*dropTraget/s,
  );
  await environment.cutOver(handle);
});

it('a document that somebody else changes at the target refuses the cutover', async () => {
  await loadItems(environment.sourceClient, 'planted', MANY_DOCUMENTS);
  const handle = await environment.migrate('planted', { copy: 'direct' });
  await environment.until(handle, 'replaying', ({ phase }) => phase === 'replaying');
  // The one partition is compared anew after a pause, so that the change comes in time.
  await handle.executeUpdate('pause', { args: [{}] });
  expect((await environment.status(handle)).verification.state).not.toBe('done');
  const items = environment.targetClient.db('shop').collection<{ _id: number }>('planted');
  await items.updateOne({ _id: 7 }, { $set: { counter: 'changed' } });
  await handle.executeUpdate('resume', { args: [{}] });
  const status = await environment.until(handle, 'end of comparison', ({ verification }) => {
    return verification.state === 'done';
  });
  expect(status.verification.report?.first).toEqual([
    { id: '7', kind: 'differs', field: 'counter', what: expect.stringContaining('string') },
  ]);
  expect(status.mayCutOver).toBe(false);
  await expect(handle.executeUpdate('cutover', { args: [{}] })).rejects.toThrow();
  await items.updateOne({ _id: 7 }, { $set: { counter: 0 } });
  await handle.executeUpdate('cutover', { args: [{}] });
  expect(((await handle.result()) as MigrationStatus).phase).toBe('completed');
  await expectEqual('planted');
});
