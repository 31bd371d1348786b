import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Entry } from '../../src/cli/commands/list.js';
import { exitCodes } from '../../src/cli/exit-codes.js';
import type { GroupView, View } from '../../src/cli/view.js';
import { spawnCsm } from './csm.js';
import { Environment, type WorkerProcess } from './environment.js';
import { loadItems } from './writers.js';

const NAMES = ['group_a', 'group_b', 'group_c', 'group_d'] as const;
const DOCUMENTS = 300;
/** Ends a test that would wait for ever. */
const PATIENCE_MS = 120_000;
const GROUP = 'shop.group_*';
const ID = `migrate:source:${GROUP}`;

let environment: Environment;
let worker: WorkerProcess;

beforeAll(async () => {
  environment = await Environment.start();
  worker = environment.startWorker();
  for (const name of NAMES) await loadItems(environment.sourceClient, name, DOCUMENTS);
  // A worker that has not asked for work yet is none.
  const isServed = async () => (await csm('doctor', '--no-servers')).exitCode === exitCodes.ok;
  await vi.waitUntil(isServed, { timeout: PATIENCE_MS, interval: 500 });
});

afterAll(async () => {
  await worker?.kill('SIGTERM');
  await environment?.stop();
});

async function csm(...args: string[]) {
  const { exitCode, stdout, stderr } = await spawnCsm(environment, args);
  return { exitCode, stdout, stderr };
}

async function json<Answer>(...args: string[]): Promise<Answer> {
  const { exitCode, stdout, stderr } = await csm(...args, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: exitCodes.ok, stderr: '' });
  return JSON.parse(stdout) as Answer;
}

/** Asks for a cutover until nothing passing speaks against it: on a busy machine the comparison may be behind. */
async function cutOver(...args: string[]) {
  const command = () => csm('cutover', GROUP, ...args);
  let last = await command();
  const isTaken = async () => {
    if (last.exitCode === exitCodes.refused) last = await command();
    return last.exitCode !== exitCodes.refused;
  };
  await vi.waitUntil(isTaken, { timeout: PATIENCE_MS, interval: 500 });
  expect(last, last.stderr).toMatchObject({ exitCode: exitCodes.ok });
  return last.stdout;
}

async function until(isReached: (view: GroupView) => boolean): Promise<GroupView> {
  let view = await json<GroupView>('status', GROUP);
  const look = async () => {
    view = await json<GroupView>('status', GROUP);
    return isReached(view);
  };
  await vi.waitUntil(look, { timeout: PATIENCE_MS, interval: 500 });
  return view;
}

describe('a group', () => {
  it('is started by a pattern, and mistakes never reach Temporal', async () => {
    const mistakes: [string[], string][] = [
      [['start', GROUP, '--target-namespace', 'a.b'], "by rules: --rename 'shop.*=store.*'"],
      [['start', GROUP, '--rename', 'shop.*=all.one'], 'as many are needed'],
      [['start', 'shop.group_a', '--follow'], '--follow is for several collections'],
      [['preflight', GROUP, '--target-namespace', 'a.b'], "by rules: --rename 'shop.*=store.*'"],
    ];
    for (const [args, message] of mistakes) {
      const { exitCode, stderr } = await csm(...args);
      expect(exitCode).toBe(exitCodes.usage);
      expect(stderr).toContain(message);
    }
    expect(await json<Entry[]>('list', '--all')).toEqual([]);

    const nothing = await csm('start', 'shop.nothing_*', '--copy', 'direct');
    expect(nothing.exitCode).toBe(exitCodes.ended);
    expect(nothing.stderr).toContain('matches no collection at source');

    const rename = 'shop.group_*=shop.moved_*';
    const looked = await csm('preflight', GROUP, '--copy', 'direct', '--rename', rename);
    expect(looked).toMatchObject({ exitCode: exitCodes.ok, stderr: '' });
    expect(looked.stdout).toContain('may start');
    expect(looked.stdout).toContain('shop.group_a → shop.moved_a: ');
    const refused = await csm('preflight', 'shop.nothing_*', '--copy', 'direct');
    expect(refused.exitCode).toBe(exitCodes.refused);
    expect(refused.stdout).toContain('matches no collection at source');

    const started = await csm('start', GROUP, '--copy', 'direct', '--rename', rename);
    expect(started).toMatchObject({ exitCode: exitCodes.ok, stderr: '' });
    expect(started.stdout).toContain(`started ${ID}`);
    expect(started.stdout).toContain(`source:${GROUP} → target`);
    expect(started.stdout).toContain(`go on watching with: csm status '${GROUP}' --watch`);
    expect((await csm('start', GROUP)).exitCode).toBe(exitCodes.refused);
  });

  it('is told as a whole, and stands for its collections', async () => {
    const ready = await until(({ status }) => status?.mayCutOver === true);
    expect(ready).toMatchObject({
      workflowId: ID,
      type: 'migrateCollections',
      state: 'running',
      input: { source: 'source', target: 'target', namespaces: [GROUP] },
      status: { kind: 'group', phase: 'ready', counts: { all: 4, ready: 4 }, copiedPercent: 100 },
    });
    const one = await csm('status', GROUP);
    expect(one.stdout).toContain('collections 4: 4 ready');
    expect(one.stdout).toContain(`stop the writers, then: csm cutover '${GROUP}'`);
    // oxlint-disable-next-line no-control-regex -- escape codes are what is looked for
    expect(one.stdout).not.toMatch(/\u001B/);
    // Between some versions there is a warning, which a terminal alone has wrapped.
    const lines = one.stdout.split('\n').filter((line) => !line.startsWith('warning'));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);

    const all = await csm('status');
    expect(all.exitCode).toBe(exitCodes.ok);
    const [, group, ...collections] = all.stdout.split('\n');
    expect(group).toMatch(/^'shop\.group_\*' +ready +100 %/);
    // Those first that are least far, which is a matter of moments here.
    expect(new Set(collections.map((line) => line.split(/ {2,}/)[1]))).toEqual(
      new Set(NAMES.map((name) => `shop.${name}`)),
    );
    const { migrations } = await json<{ migrations: View[] }>('status');
    expect(migrations.map(({ workflowId }) => workflowId)).toEqual([ID]);

    const listed = await json<Entry[]>('list', '--running');
    expect(listed).toMatchObject([{ workflowId: ID, namespaces: [GROUP], group: null }]);
    const every = await json<Entry[]>('list', '--running', '--all');
    expect(every.filter((entry) => entry.group === ID)).toHaveLength(4);
  });

  it('is paused, goes on and is tuned', async () => {
    const paused = await csm('pause', GROUP, '--reason', 'lunch');
    expect(paused.stdout).toContain('(4 collections)');
    expect((await csm('status', GROUP)).stdout).toContain(`csm resume '${GROUP}'`);
    const refused = await csm('cutover', GROUP);
    expect(refused.exitCode).toBe(exitCodes.refused);
    expect(refused.stderr).toContain(`→ csm resume '${GROUP}'`);
    expect((await csm('resume', GROUP)).exitCode).toBe(exitCodes.ok);
    const tuned = await csm('tune', GROUP, '--verify-documents-per-second', '100_000');
    expect(tuned.stdout).toContain('comparison: at most 100,000 documents/s');
    const restart = await csm('restart', GROUP);
    expect(restart).toMatchObject({ exitCode: exitCodes.usage });
    expect(restart.stderr).toContain('restart is for one collection');
    const retry = await csm('retry', GROUP);
    expect(retry.exitCode).toBe(exitCodes.refused);
    expect(retry.stderr).toContain('there is nothing to begin anew');
    const wrong = await csm('retry', 'shop.group_a');
    expect(wrong.exitCode).toBe(exitCodes.usage);
    expect(wrong.stderr).toContain(`csm retry '${GROUP}' shop.group_a`);
  });

  it('is cut over together, without those that are left, and then with them', async () => {
    const alone = await csm('cutover', 'shop.group_a');
    expect(alone.exitCode).toBe(exitCodes.refused);
    expect(alone.stderr).toContain('(group)');
    expect(alone.stderr).toContain(`→ csm cutover '${GROUP}'`);
    const bound = ['--when-lag-under', '60', '--for-seconds', '3600'];
    const low = await csm('cutover', GROUP, ...bound, '--json');
    expect(JSON.parse(low.stdout)).toMatchObject({
      answer: { cutoverAt: null, cutoverWhen: { whenLagUnder: 60, forSeconds: 3600 } },
    });
    expect((await csm('status', GROUP)).stdout).toContain('by itself once the lag has been');
    const unknown = await csm('cutover', GROUP, '--leave', 'shop.group_x');
    expect(unknown.exitCode).toBe(exitCodes.refused);
    expect(unknown.stderr).toContain('is no collection of this migration');
    const at = new Date(Date.now() + 3_600_000).toISOString();
    const planned = await csm('cutover', GROUP, '--at', at, '--json');
    expect(JSON.parse(planned.stdout)).toMatchObject({ answer: { cutoverAt: at } });
    expect((await csm('status', GROUP)).stdout).toContain('by itself at');
    expect((await csm('cutover', GROUP, '--withdraw')).exitCode).toBe(exitCodes.ok);

    await until(({ status }) => status?.mayCutOver === true);
    const leave = ['--leave', 'shop.group_d,shop.group_c'];
    const dry = await cutOver(...leave, '--dry-run');
    expect(dry).toContain(`csm cutover '${GROUP}' --leave shop.group_d,shop.group_c`);
    const first = await cutOver(...leave);
    expect(first).toContain('2 collections open since');
    expect(first).toContain('not cut over, and still followed: shop.group_d, shop.group_c');

    const second = JSON.parse(await cutOver('--json')) as unknown;
    expect(second).toMatchObject({ workflowId: ID, cutover: { collections: 2 } });
    const watched = await csm('status', GROUP, '--watch');
    expect(watched, watched.stderr).toMatchObject({ exitCode: exitCodes.ok });
    expect(watched.stdout).toContain('4: 4 completed');
    for (const name of NAMES) {
      const [source, target] = await environment.hashes(name, name.replace('group', 'moved'));
      expect(target, name).toBe(source);
    }
    expect(await environment.leftovers()).toEqual([]);
  });

  it('has a history in plain words', async () => {
    const { exitCode, stdout } = await csm('logs', GROUP);
    expect(exitCode).toBe(exitCodes.ok);
    for (const part of [
      'started by',
      /shop\.group_a +its migration has begun/,
      /shop\.group_b +it is its turn to be copied/,
      /shop\.group_c +is ready/,
      'done: 2 collections open for applications since',
      'update with leave shop.group_d, shop.group_c',
      /shop\.group_d +is completed, open since/,
      /migration +completed/,
    ]) {
      expect(stdout).toMatch(part);
    }
    const child = await csm('logs', 'shop.group_a');
    expect(child.stdout).toMatch(/group +asks it to stand by for its cutover/);
  });

  it('is aborted with all its collections', async () => {
    await json(
      'start',
      'shop.group_a',
      'shop.group_b',
      '--copy',
      'direct',
      '--rename',
      'shop.*=b.*',
    );
    const name = 'shop.group_a,shop.group_b';
    const aborted = await json<GroupView>('abort', name, '--drop-target', '--reason', 'a test');
    expect(aborted).toMatchObject({ state: 'aborted', status: { phase: 'aborted' } });
    expect((await csm('status', 'shop.group_a')).stdout).toContain('aborted');
    expect((await csm('status', 'shop.group_a,shop.grup_b')).stderr).toContain(
      'did you mean shop.group_a,shop.group_b',
    );
  });
});
