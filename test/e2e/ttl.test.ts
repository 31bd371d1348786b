import type { MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Environment } from './environment.js';

/** Each of these is deleted, or kept, for a reason of its own. */
const EACH = 100;
const PAST = new Date(0);
const FUTURE = new Date('2100-01-01');
const NAME = 'sessions';
const POLL = { timeout: 60_000, interval: 200 };
/** Servers look for expired documents once a minute unless told otherwise. */
const EVERY_SECOND = { args: ['--setParameter', 'ttlMonitorSleepSecs=1'] };

interface Session {
  readonly _id: number;
  readonly at: Date;
}

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start({ source: EVERY_SECOND, target: EVERY_SECOND });
  environment.startWorker();
});

afterAll(async () => {
  await environment?.stop();
});

const sessions = (client: MongoClient) => client.db('shop').collection<Session>(NAME);
const admin = (client: MongoClient) => client.db('admin');

/** What the server's own monitor has done: rounds, and documents deleted. */
async function monitorOf(client: MongoClient): Promise<{ passes: number; deleted: number }> {
  const { metrics } = await admin(client).command({ serverStatus: 1 });
  const { passes, deletedDocuments } = metrics.ttl;
  return { passes: Number(passes), deleted: Number(deletedDocuments) };
}

/** The server has looked at all that was there when this was called. */
async function afterFullPass(client: MongoClient): Promise<void> {
  const { passes } = await monitorOf(client);
  await expect
    .poll(async () => (await monitorOf(client)).passes, POLL)
    .toBeGreaterThanOrEqual(passes + 2);
}

it('follows what expires at the source, and lets nothing expire by itself at the target before the cutover', async () => {
  const { sourceClient, targetClient } = environment;
  const [source, target] = [sessions(sourceClient), sessions(targetClient)];
  const all = Array.from({ length: 4 * EACH }, (_, _id) => ({ _id, at: FUTURE }));
  await source.insertMany(all);
  await source.createIndex({ at: 1 }, { expireAfterSeconds: 1 });
  const expire = (part: number) =>
    source.updateMany(
      { _id: { $gte: part * EACH, $lt: (part + 1) * EACH } },
      { $set: { at: PAST } },
    );

  const handle = await environment.migrate(NAME, { copy: 'direct', restore: 'signal' });
  await environment.until(handle, 'waiting', ({ phase }) => phase === 'waiting');
  await expire(0);
  await expect.poll(() => source.countDocuments(), POLL).toBe(3 * EACH);
  await handle.signal('restore');
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  await expire(1);
  await expect.poll(() => source.countDocuments(), POLL).toBe(2 * EACH);
  await expect.poll(() => target.countDocuments(), POLL).toBe(2 * EACH);

  // Expired, and the source does not delete them yet: nor must the target.
  await admin(sourceClient).command({ setParameter: 1, ttlMonitorEnabled: false });
  await expire(2);
  await expect.poll(() => target.countDocuments({ at: PAST }), POLL).toBe(EACH);
  await afterFullPass(targetClient);
  expect(await target.countDocuments({ at: PAST })).toBe(EACH);
  expect((await monitorOf(targetClient)).deleted).toBe(0);

  await admin(sourceClient).command({ setParameter: 1, ttlMonitorEnabled: true });
  await expect.poll(() => target.countDocuments(), POLL).toBe(EACH);
  expect((await monitorOf(targetClient)).deleted).toBe(0);
  const status = await environment.cutOver(handle);
  expect(status.cutover?.differences).toMatchObject({ differing: 0, missing: 0, extra: 0 });
  const [one, other] = await environment.hashes(NAME);
  expect(other).toBe(one);

  await target.updateMany({ _id: { $gte: 3 * EACH } }, { $set: { at: PAST } });
  await expect.poll(() => target.countDocuments(), POLL).toBe(0);
  expect(await source.countDocuments()).toBe(EACH);
});
