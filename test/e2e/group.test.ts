import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GroupInspection } from '../../src/inspection.js';
import { TASK_QUEUE } from '../../src/names.js';
import type { GroupStatus } from '../../src/workflows/group/status.js';
import { isFinal } from '../../src/workflows/phases.js';
import { openStreams } from '../faults/sessions.js';
import { Environment, type WorkerProcess } from './environment.js';
import { loadItems, Writers } from './writers.js';

const PATIENCE_MS = 180_000;

let environment: Environment;
let worker: WorkerProcess;

beforeAll(async () => {
  environment = await Environment.start();
  worker = environment.startWorker();
});

afterAll(async () => {
  await worker.kill('SIGTERM');
  await environment.stop();
});

async function startGroup(
  namespaces: readonly string[],
  options: Readonly<Record<string, unknown>> = {},
): Promise<WorkflowHandle> {
  return environment.client.workflow.start('migrateCollections', {
    taskQueue: TASK_QUEUE,
    workflowId: `migrate:source:${namespaces.join(',')}`,
    args: [{ source: 'source', target: 'target', namespaces, copy: 'direct', ...options }],
  });
}

async function until(
  handle: WorkflowHandle,
  what: string,
  isReached: (status: GroupStatus) => boolean,
): Promise<GroupStatus> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const status = (await environment.status(handle)) as unknown as GroupStatus;
    if (isReached(status)) return status;
    if (isFinal(status.phase) || Date.now() > deadline) {
      throw new Error(`waited for ${what}: ${JSON.stringify(status, null, 1)}`);
    }
    await sleep(200);
  }
}

it('twelve collections of mixed size with writers arrive at one fence, and equal', async () => {
  const sizes = [5_000, 3_000, 2_000, 1_000, 500, 400, 300, 200, 100, 50, 10, 1];
  const names = sizes.map((size) => `mixed_${size}`);
  for (const [index, name] of names.entries()) {
    await loadItems(environment.sourceClient, name, sizes[index] ?? 0);
  }
  const writers = names
    .slice(0, 6)
    .map((name, index) => new Writers(environment.sourceClient, name, sizes[index] ?? 0, 50));
  const handle = await startGroup(['shop.mixed_*']);
  const ready = await until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  expect(ready).toMatchObject({ phase: 'ready', counts: { all: 12, ready: 12 }, problems: [] });
  await expect
    .poll(async () => (await openStreams(environment.sourceClient, 'shop')).map(({ on }) => on))
    .toEqual(['shop']);
  await Promise.all(writers.map((each) => each.stop()));
  const report = await handle.executeUpdate<GroupStatus['cutover'], [unknown]>('cutover', {
    args: [{}],
  });
  expect(report).toMatchObject({ collections: 12 });
  const status = (await handle.result()) as GroupStatus;
  expect(status).toMatchObject({ phase: 'completed', counts: { all: 12, completed: 12 } });
  for (const name of names) {
    const [source, target] = await environment.hashes(name);
    expect(target, name).toBe(source);
  }
  expect(await environment.leftovers()).toEqual([]);
});

it('one that differs keeps all from being cut over, until it is left', async () => {
  const names = ['differs_a', 'differs_b', 'differs_c'];
  for (const name of names) await loadItems(environment.sourceClient, name, 200);
  const handle = await startGroup(['shop.differs_*'], {
    rename: [{ from: 'shop.differs_*', to: 'shop.moved_*' }],
    parallelCopies: 3,
  });
  await until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  const target = environment.targetClient.db('shop');
  await target.collection<{ _id: number }>('moved_b').deleteOne({ _id: 7 });
  await environment.sourceClient
    .db('shop')
    .collection<{ _id: number }>('differs_b')
    .updateOne({ _id: 8 }, { $set: { text: 'changed' } });
  const different = await until(handle, 'the difference', ({ blockers }) =>
    blockers.some(
      ({ code, namespace }) => code === 'differences' && namespace === 'shop.differs_b',
    ),
  );
  expect(different.mayCutOver).toBe(false);
  await expect(handle.executeUpdate('cutover', { args: [{}] })).rejects.toThrow();
  // All of them go on as before.
  for (const name of names) {
    await environment.sourceClient
      .db('shop')
      .collection<{ _id: number }>(name)
      .updateOne({ _id: 9 }, { $set: { text: 'after the refusal' } });
  }
  await until(handle, 'caught up', ({ lagSeconds }) => lagSeconds !== null && lagSeconds < 2);
  const leave = { args: [{ leave: ['shop.differs_b'] }] as [object] };
  expect(await handle.executeUpdate('cutover', leave)).toMatchObject({ collections: 2 });
  for (const name of ['a', 'c']) {
    const [source, moved] = await environment.hashes(`differs_${name}`, `moved_${name}`);
    expect(moved, name).toBe(source);
  }
  const child = environment.client.workflow.getHandle('migrate:source:shop.differs_b');
  await child.executeUpdate('restart', { args: [{}] });
  await until(handle, 'the rest', ({ mayCutOver }) => mayCutOver);
  await handle.executeUpdate('cutover', { args: [{}] });
  const status = (await handle.result()) as GroupStatus;
  expect(status).toMatchObject({ phase: 'completed', counts: { all: 3, completed: 3 } });
  const [source, moved] = await environment.hashes('differs_b', 'moved_b');
  expect(moved).toBe(source);
  expect(await environment.leftovers()).toEqual([]);
});

it.each(['cutover-held', 'cutover-drained', 'cutover-enforced'])(
  'a worker that dies at %s of a group leaves nothing half-done',
  async (failpoint) => {
    const names = [1, 2, 3].map((number) => `${failpoint}-${number}`);
    for (const name of names) await loadItems(environment.sourceClient, name, 300);
    const handle = await startGroup([`shop.${failpoint}-*`], { parallelCopies: 3 });
    const writers = names.map((name) => new Writers(environment.sourceClient, name, 300, 50));
    await until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
    await worker.kill('SIGTERM');
    const dying = environment.startWorker({ CSM_TEST_FAILPOINT: failpoint });
    const dies = once(dying.process, 'exit');
    await until(handle, 'ready again', ({ mayCutOver }) => mayCutOver);
    await Promise.all(writers.map((each) => each.stop()));
    const asked = handle.executeUpdate('cutover', { args: [{}] });
    await dies;
    worker = environment.startWorker();
    expect(await asked).toMatchObject({ collections: 3 });
    expect(await handle.result()).toMatchObject({ phase: 'completed', counts: { completed: 3 } });
    for (const name of names) {
      const [source, target] = await environment.hashes(name);
      expect(target, name).toBe(source);
    }
    expect(await environment.leftovers()).toEqual([]);
  },
);

it('begun anew, migrates only what it has not cut over before', async () => {
  const { sourceClient, targetClient } = environment;
  for (const name of ['again_a', 'again_b']) await loadItems(sourceClient, name, 20);
  const first = await startGroup(['shop.again_*'], { cutover: 'auto' });
  const { counts } = (await first.result()) as GroupStatus;
  expect(counts).toMatchObject({ all: 2, completed: 2 });
  const items = (client: typeof sourceClient) =>
    client.db('shop').collection<{ _id: number }>('again_a');
  // Applications use the target by now: whatever is written at the source is not theirs.
  await items(sourceClient).insertOne({ _id: 1_001 });
  await items(targetClient).insertOne({ _id: 1_002 });
  await loadItems(sourceClient, 'again_c', 20);

  const second = await startGroup(['shop.again_*'], { cutover: 'auto' });
  const again = (await second.result()) as GroupStatus;
  expect(again).toMatchObject({ phase: 'completed', counts: { all: 3, completed: 3 } });
  expect(again.warnings).toContainEqual(expect.stringContaining('are not done again: 2;'));
  expect(await items(targetClient).distinct('_id', { _id: { $gt: 1_000 } })).toEqual([1_002]);
  const [source, target] = await environment.hashes('again_c');
  expect(target).toBe(source);
});

it('looked at before it is begun anew, tells what it has cut over, and not to drop it', async () => {
  await loadItems(environment.sourceClient, 'live_a', 20);
  const namespaces = ['shop.live_*'];
  await (await startGroup(namespaces, { cutover: 'auto' })).result();
  await loadItems(environment.sourceClient, 'live_b', 20);
  const look = async (workflowId: string): Promise<GroupInspection> =>
    environment.client.workflow.execute('preflight', {
      taskQueue: TASK_QUEUE,
      workflowId,
      args: [{ source: 'source', target: 'target', namespaces, copy: 'direct' }],
    });
  for (const id of ['preflight:source:shop.live_*', 'a look']) {
    expect(await look(id)).toMatchObject({
      mayStart: true,
      errors: [],
      collections: [
        { namespace: 'shop.live_a', openedAt: expect.any(String) },
        { namespace: 'shop.live_b', documents: 20 },
      ],
    });
  }
  // For a group of another name it is in use.
  const { errors, collections } = await look('preflight:another');
  expect(errors).toEqual([
    expect.stringMatching(/^shop\.live_a: cut over at \S+ by migrate:source:shop\.live_\*: /),
  ]);
  expect(collections.map(({ namespace }) => namespace)).toEqual(['shop.live_b', 'shop.live_a']);
});

it('takes up what appears, and cuts it over with the others', async () => {
  await loadItems(environment.sourceClient, 'grows_1', 100);
  const handle = await startGroup(['shop.grows_*'], { follow: true, exclude: ['shop.grows_not*'] });
  await until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  await loadItems(environment.sourceClient, 'grows_not_this', 10);
  await loadItems(environment.sourceClient, 'grows_2', 100);
  await until(handle, 'the new one', ({ counts, mayCutOver }) => counts.all === 2 && mayCutOver);
  await handle.executeUpdate('cutover', { args: [{}] });
  expect(await handle.result()).toMatchObject({ phase: 'completed', counts: { all: 2 } });
  const [source, target] = await environment.hashes('grows_2');
  expect(target).toBe(source);
  const there = await environment.targetClient.db('shop').listCollections().toArray();
  expect(there.map(({ name }) => name)).not.toContain('grows_not_this');
});

describe('what cannot be', () => {
  beforeAll(async () => {
    const db = environment.sourceClient.db('wrong');
    await db.collection('one').insertOne({ a: 1 });
    await db.collection('two').insertOne({ a: 1 });
    await db.createCollection('view', { viewOn: 'one', pipeline: [] });
    await environment.targetClient.db('wrong').collection('two').insertOne({ a: 2 });
  });

  it.each([
    [['wrong.x*'], {}, '"wrong.x*" matches no collection'],
    [['wrong.one', 'wrong.twi'], {}, '"wrong.twi" matches no collection'],
    [
      ['wrong.*'],
      { rename: ['wrong.one', 'wrong.two'].map((from) => ({ from, to: 'wrong.same' })) },
      'wrong.one and wrong.two would both become wrong.same',
    ],
    [['wrong.*'], {}, 'wrong.two exists at the target'],
    [['wrong.view'], {}, 'wrong.view is a view'],
    [['wrong.two', 'wrong.twi'], {}, 'wrong.two exists at the target'],
    [['wrong.two', 'wrong.twi'], {}, '"wrong.twi" matches no collection'],
    [['wrong.one'], {}, 'start the group with another workflow id'],
    [['wrong.one'], { rename: [{ from: '*.*', to: '*.cdc.*' }] }, 'wrong.one is renamed'],
  ])('%j %j: %s', async (namespaces, options, message) => {
    const handle = await startGroup(namespaces, options);
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'PreflightFailed', message: expect.stringContaining(message) as string },
    });
    expect(await environment.targetClient.db('wrong').listCollections().toArray()).toHaveLength(1);
  });
});
