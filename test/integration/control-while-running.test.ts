import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ActivityDependencies } from '../../src/activities/context.js';
import { untilLagIs, untilLagsAre } from '../../src/activities/lag.js';
import {
  CaptureLimits,
  copyLimits,
  replayBatch,
  verifyLimits,
} from '../../src/activities/live-limits.js';
import { plannedCutover } from '../../src/activities/planned-cutover.js';
import { tune } from '../../src/activities/tune.js';
import type { Group } from '../../src/group.js';
import type { Migration } from '../../src/migration.js';
import { CopyPlan } from '../../src/mongo/copy-plan.js';
import { limitsOf } from '../../src/tuning.js';
import { SharedStreams } from '../../src/mongo/shared-stream.js';
import { Wakeups } from '../../src/wake.js';
import { DataPath, TestMongo, unfenced } from '../helpers/data-path.js';
import { traits } from '../helpers/fake-activities.js';
import { options } from '../helpers/migration.js';
import { takenAs } from '../helpers/taken-as.js';

let mongo: TestMongo;
let client: MongoClient;
let path: DataPath;
let plan: CopyPlan;
let migration: Migration;
let deps: ActivityDependencies;

beforeAll(async () => {
  mongo = await TestMongo.start('control');
  client = mongo.client;
  deps = takenAs({
    connections: { get: () => client, require: () => undefined },
    wakeups: new Wakeups(),
    sharedStreams: new SharedStreams(),
  });
});

beforeEach(async () => {
  path = await DataPath.begin(client);
  const { runId } = path.control;
  plan = new CopyPlan(path.target, path.control);
  const namespace = `source.${path.name}`;
  const targetNamespace = `target.${path.name}`;
  migration = {
    workflowId: 'w',
    runId,
    traits,
    options: { ...options, copy: 'direct', namespace, targetNamespace },
  };
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const run = async <T>(work: () => Promise<T>): Promise<T> => {
  return new MockActivityEnvironment().run(work);
};

describe('limits', () => {
  it('of the copy are shared by the partitions that are under way', async () => {
    const given = {
      ...migration.options,
      copyDocumentsPerSecond: 1000,
      copyBytesPerSecond: 65_536,
    };
    await plan.save(
      [0, 1, 2, 3].map((index) => ({ index })),
      unfenced,
    );
    const first = await plan.take(0);
    const limits = await copyLimits({ control: path.control, plan }, given);
    expect(limits).toMatchObject({ documentsPerSecond: 1000, bytesPerSecond: 65_536 });
    await plan.take(1);
    await vi.waitUntil(() => limits.documentsPerSecond === 500, { timeout: 30_000 });
    expect(limits.bytesPerSecond).toBe(32_768);
    await plan.finish(first, { copied: true });
    await vi.waitUntil(() => limits.documentsPerSecond === 1000, { timeout: 30_000 });
  });

  it('that are tuned reach what runs, and what begins later', async () => {
    const given = {
      ...migration.options,
      copyDocumentsPerSecond: 1000,
      verifyBytesPerSecond: 70_000,
    };
    await plan.save([{ index: 0 }], unfenced);
    await plan.take(0);
    const opened = { control: path.control, plan };
    const copy = await copyLimits(opened, given);
    const verify = verifyLimits(opened, given, await path.control.read());
    expect([copy.documentsPerSecond, verify.bytesPerSecond]).toEqual([1000, 70_000]);
    const tuned = limitsOf({ copyDocumentsPerSecond: null, verifyBytesPerSecond: 80_000 });
    await run(() => tune(deps, migration, tuned));
    await vi.waitUntil(() => copy.documentsPerSecond === undefined, { timeout: 30_000 });
    await vi.waitUntil(() => verify.bytesPerSecond === 80_000, { timeout: 30_000 });
    expect((await copyLimits(opened, given)).documentsPerSecond).toBeUndefined();
    expect(verifyLimits(opened, given, await path.control.read()).bytesPerSecond).toBe(80_000);
  });

  it('of the capture and the replay come with what these read anyway', async () => {
    const given = { ...migration.options, captureDocumentsPerSecond: 900, replayBatch: 400 };
    const before = await path.control.read();
    const capture = new CaptureLimits(given, before);
    expect([capture.documentsPerSecond, replayBatch(given, before)]).toEqual([900, 400]);
    await run(() => tune(deps, migration, limitsOf({ captureBytesPerSecond: 80_000 })));
    const tuned = await path.control.read();
    expect(replayBatch(given, tuned)).toBeUndefined();
    capture.hear(tuned);
    expect([capture.documentsPerSecond, capture.bytesPerSecond]).toEqual([undefined, 80_000]);
  });

  it('are those of the attempt that was scheduled last', async () => {
    const limits = async () => (await path.control.read()).limits?.captureBytesPerSecond;
    const [now, before] = [new Date(Date.now() + 1000), new Date(Date.now() - 60_000)];
    await path.control.setLimits(limitsOf({ captureBytesPerSecond: 70_000 }), now);
    await path.control.setLimits(limitsOf({ captureBytesPerSecond: 90_000 }), before);
    expect(await limits()).toBe(70_000);
  });

  it('are not lost while the target does not answer', async () => {
    const given = { ...migration.options, verifyBytesPerSecond: 70_000 };
    let asked = 0;
    const control = takenAs<DataPath['control']>({
      read: async () => {
        asked += 1;
        throw new Error('no primary');
      },
    });
    const verify = verifyLimits({ control }, given, await path.control.read());
    await vi.waitUntil(() => verify.bytesPerSecond === 70_000 && asked > 1, { timeout: 30_000 });
  });
});

describe('a cutover with a latest moment', () => {
  const passed = new Date(Date.now() - 1_000).toISOString();

  it('is refused after it, and holds nothing', async () => {
    const outcome = await run(() => plannedCutover(deps, migration, [], passed));
    expect(outcome).toEqual({
      refused: [{ code: 'missed', message: expect.stringContaining(passed) }],
    });
    expect((await path.control.read()).holder).toBeUndefined();
  });

  it('is refused after it where an attempt before has begun, and lets go what that one holds', async () => {
    await path.control.hold(new Date(0));
    const outcome = await run(() => plannedCutover(deps, migration, [], passed));
    expect(outcome).toMatchObject({ refused: [{ code: 'missed' }] });
    expect((await path.control.read()).holder).toBeUndefined();
  });

  it('goes on after it where an attempt before was through: the target may be open', async () => {
    await path.control.hold(new Date(0));
    await path.control.record({ fence: await path.now() });
    // It gets as far as asking for the pinned connection, which there is none of.
    await expect(run(() => plannedCutover(deps, migration, [], passed))).rejects.toThrow('pinned');
  });
});

it('a small lag of all collections of a group is waited for', async () => {
  // All runs of this file have the same id, and a database of its own has one of them.
  const own = await DataPath.between(path.source, client.db('lags'), path.name);
  await own.orders.insertOne({ _id: 1 });
  const group = takenAs<Group>({ options: { target: 'target' } });
  const bound = { whenLagUnder: 3600, forSeconds: 1 };
  const runs = { databases: [own.target.databaseName], runIds: [own.control.runId] };
  const others = { ...runs, runIds: [own.control.runId, 'not-there-yet'] };
  await own.follow();
  await run(() => untilLagsAre(deps, group, runs, bound));
  const outcome = run(() => untilLagsAre(deps, group, others, bound)).then(() => 'low');
  expect(await Promise.race([outcome, sleep(3_000, 'waits')])).toBe('waits');
});

it('a small lag is waited for', async () => {
  await path.orders.insertOne({ _id: 1 });
  const bound = { whenLagUnder: 3600, forSeconds: 1 };
  let isOver = false;
  const waiting = run(() => untilLagIs(deps, migration, bound)).then(() => {
    isOver = true;
  });
  // Before capture has read the lag is not known.
  await path.copy.findOne();
  expect(isOver).toBe(false);
  await path.follow();
  await waiting;
});
