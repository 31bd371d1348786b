import { once } from 'node:events';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../embedded/index.js';
import { exitCodes } from '../../src/cli/exit-codes.js';
import type { Entry } from '../../src/cli/commands/list.js';
import type { Check } from '../../src/cli/commands/doctor.js';
import type { MigrationView } from '../../src/cli/view.js';
import { spawnCsm } from './csm.js';
import { Environment, type WorkerProcess } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 5_000;
/** Ends a test that would wait for ever. */
const PATIENCE_MS = 120_000;
const SECRET = 'mongodb://somebody:s3cret@host.example/shop';

let environment: Environment;
let worker: WorkerProcess;

beforeAll(async () => {
  environment = await Environment.start();
  worker = environment.startWorker();
  for (const name of ['orders', 'carts', 'watched', 'refused']) {
    await loadItems(environment.sourceClient, name, DOCUMENTS);
  }
  // A worker that has not asked for work yet is none.
  const isServed = async () => (await csm('doctor', '--no-servers')).exitCode === exitCodes.ok;
  await vi.waitUntil(isServed, { timeout: PATIENCE_MS, interval: 500 });
});

afterAll(async () => {
  await environment?.stop();
});

function spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawnCsm(environment, args, env);
}

async function csm(...args: string[]) {
  const { exitCode, stdout, stderr } = await spawn(args);
  return { exitCode, stdout, stderr };
}

async function view(...args: string[]): Promise<MigrationView> {
  const { exitCode, stdout, stderr } = await csm(...args, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: exitCodes.ok, stderr: '' });
  return JSON.parse(stdout) as MigrationView;
}

describe("the former scripts' two parts", () => {
  it('move a collection under writes: init, sync, status, cutover, logs', async () => {
    const writers = new Writers(environment.sourceClient, 'orders', DOCUMENTS, 100);
    const init = await csm('init', 'source', 'target', 'shop', 'orders');
    expect(init).toMatchObject({ exitCode: exitCodes.ok, stderr: '' });
    expect(init.stdout).toContain('started migrate:source:shop.orders');
    expect(init.stdout).toContain('csm restore shop.orders');
    expect(init.stdout).toContain('part two is: csm sync target shop orders');
    expect((await view('status', 'shop.orders')).status?.phase).toBe('waiting');

    const sync = await csm('sync', 'target', 'shop', 'orders');
    expect(sync).toMatchObject({ exitCode: exitCodes.ok, stderr: '' });
    expect(sync.stdout).toContain('restore is sent to migrate:source:shop.orders');
    await writers.stop();

    const ready = await view('status', 'shop.orders');
    expect(ready).toMatchObject({
      workflowId: 'migrate:source:shop.orders',
      state: 'running',
      input: { source: 'source', target: 'target', namespace: 'shop.orders' },
      status: { phase: 'ready', copiedPercent: 100, verification: { state: 'done' } },
    });
    // What the worker's codec puts in the place of its mark reaches a plain client.
    expect(ready.status?.live.asOf).toBeDefined();
    expect(ready.status?.captured?.events).toBeGreaterThan(0);

    const cutover = await csm('cutover', 'shop.orders', '--json');
    expect(cutover.exitCode, cutover.stderr).toBe(exitCodes.ok);
    expect(JSON.parse(cutover.stdout)).toMatchObject({
      cutover: { openedAt: expect.any(String), downtimeMs: expect.any(Number) },
    });
    const watched = await csm('status', 'shop.orders', '--watch');
    expect(watched.exitCode, watched.stderr).toBe(exitCodes.ok);
    expect(watched.stdout).toContain('completed');
    const [source, target] = await environment.hashes('orders');
    expect(target).toBe(source);

    const logs = await csm('logs', 'shop.orders');
    for (const part of ['started by', 'restore        update', 'done: open for', 'completed']) {
      expect(logs.stdout).toContain(part);
    }
    for (const output of [init, sync, watched, logs]) {
      // oxlint-disable-next-line no-control-regex -- escape codes are what is looked for
      expect(output.stdout).not.toMatch(/\u001B/);
    }
    const late = await csm('pause', 'shop.orders');
    expect(late).toMatchObject({ exitCode: exitCodes.refused });
    expect(late.stderr).toContain('pause comes too late: the migration is over');
  });

  it('are followed and named by what their arguments say', async () => {
    const unknown = await csm('sync', 'target', 'shop', 'order');
    expect(unknown.exitCode).toBe(exitCodes.notFound);
    expect(unknown.stderr).toContain('no migration of shop.order to "target" is running');
    const other = await csm('sync', 'wrong', 'shop', 'orders', '--source', 'source');
    expect(other.exitCode).toBe(exitCodes.usage);
    expect(other.stderr).toContain('goes to target shop.orders, not to wrong shop.orders');
  });
});

describe('a migration that waits', () => {
  it('is refused a second start and a cutover, with what to do; pauses, goes on, and is aborted', async () => {
    const started = await view('start', 'shop.refused', '--restore', 'signal', '--copy', 'direct');
    expect(started.status?.phase).not.toBe('preflight');
    const again = await csm('start', 'shop.refused');
    expect(again).toMatchObject({ exitCode: exitCodes.refused });
    expect(again.stderr).toContain('is running already');

    const refused = await csm('cutover', 'shop.refused', '--json');
    expect(refused.exitCode).toBe(exitCodes.refused);
    const { error } = JSON.parse(refused.stderr) as { error: { blockers: { code: string }[] } };
    expect(error.blockers.map(({ code }) => code)).toContain('verification');
    const dry = await csm('cutover', 'shop.refused', '--dry-run');
    expect(dry.exitCode).toBe(exitCodes.refused);
    expect(dry.stderr).toContain('→ csm restore shop.refused');

    const planned = await csm('cutover', 'shop.refused', '--at', '2020-01-01T00:00:00Z');
    expect(planned).toMatchObject({ exitCode: exitCodes.usage });
    expect(planned.stderr).toContain('--at is in the past');
    const at = new Date(Date.now() + 3_600_000).toISOString();
    const later = await csm('cutover', 'shop.refused', '--at', at, '--json');
    expect(JSON.parse(later.stdout)).toMatchObject({
      answer: { cutoverAt: at, cutoverWhen: null },
    });
    expect((await csm('status', 'shop.refused')).stdout).toContain(`by itself at `);
    const withdrawn = await csm('cutover', 'shop.refused', '--withdraw');
    expect(withdrawn.stdout).toContain('no longer cuts over by itself');
    const low = await csm('cutover', 'shop.refused', '--when-lag-under', '2');
    expect(low.stdout).toContain('once the lag has been at most 2 s for 60 s');
    expect((await csm('cutover', 'shop.refused', '--withdraw')).exitCode).toBe(exitCodes.ok);

    const tuned = await csm('tune', 'shop.refused', '--copy-documents-per-second', '5_000');
    expect(tuned.stdout).toContain('copy: 2 at the same time, not compressed, at most 5,000');
    const free = await csm('tune', 'shop.refused', '--copy-documents-per-second', 'none', '--json');
    expect(JSON.parse(free.stdout)).toMatchObject({ answer: { copyDocumentsPerSecond: null } });
    const wrong = await csm('tune', 'shop.refused', '--gzip');
    expect(wrong).toMatchObject({ exitCode: exitCodes.refused });
    expect(wrong.stderr).toContain('there are no dump files');
    expect((await csm('tune', 'shop.refused')).stderr).toContain('give at least one of');

    expect((await csm('pause', 'shop.refused', '--reason', 'lunch')).exitCode).toBe(exitCodes.ok);
    expect((await view('status', 'shop.refused')).status?.paused).toBe(true);
    expect((await csm('resume', 'shop.refused')).exitCode).toBe(exitCodes.ok);

    const restarted = await csm('restart', 'shop.refused', '--reason', 'a test');
    expect(restarted.stdout).toContain('copies anew');
    expect((await view('status', 'shop.refused')).status?.restarts).toMatchObject({ count: 1 });

    const all = JSON.parse((await csm('status', '--json')).stdout) as {
      migrations: MigrationView[];
    };
    expect(all.migrations.map(({ workflowId }) => workflowId)).toContain(
      'migrate:source:shop.refused',
    );
    const aborted = await view('abort', 'shop.refused', '--drop-target', '--reason', 'a test');
    expect(aborted).toMatchObject({ state: 'aborted', status: { phase: 'aborted' } });
    expect(await environment.leftovers()).toEqual([]);
    const listed = JSON.parse((await csm('list', '--json')).stdout) as Entry[];
    expect(listed.map(({ namespace }) => namespace)).toContain('shop.refused');
  });

  it('outlives the Ctrl-C of a watch', async () => {
    await view('start', 'shop.watched', '--copy', 'direct');
    const watch = spawn(['status', 'shop.watched', '--watch']);
    const [first] = (await once(watch.stdout, 'data')) as [Buffer];
    expect(first.toString()).not.toBe('');
    watch.kill('SIGINT');
    const { exitCode, stderr } = await watch;
    expect(exitCode).toBe(exitCodes.interrupted);
    expect(stderr).toContain('the migration goes on: csm status shop.watched --watch');
    expect(await view('status', 'shop.watched')).toMatchObject({ state: 'running' });
  });
});

describe('looking and comparing', () => {
  it('says before what a migration would meet', async () => {
    const good = await csm('preflight', 'shop.carts');
    expect(good).toMatchObject({ exitCode: exitCodes.ok, stderr: '' });
    expect(good.stdout).toContain('may start');
    const bad = await csm('preflight', 'shop.nothing');
    expect(bad.exitCode).toBe(exitCodes.refused);
    expect(bad.stdout).toContain('(sourceMissing)');
  });

  it('says afterwards whether both sides are equal, by its exit code too', async () => {
    const [source, target] = [environment.sourceClient, environment.targetClient].map((client) =>
      client.db('shop').collection<{ _id: number; a: number }>('compared'),
    );
    await source?.insertOne({ _id: 1, a: 1 });
    await target?.insertOne({ _id: 1, a: 1 });
    expect((await csm('verify', 'shop.compared')).exitCode).toBe(exitCodes.ok);
    await target?.updateOne({ _id: 1 }, { $set: { a: 2 } });
    const different = await csm('verify', 'shop.compared', '--json');
    expect(different.exitCode).toBe(exitCodes.different);
    expect(JSON.parse(different.stdout)).toMatchObject({
      state: 'completed',
      status: { report: { equal: false, differing: 1 } },
    });
  });

  it('finds nothing wrong where all is well', async () => {
    const { exitCode, stdout } = await csm('doctor', '--json');
    const { checks } = JSON.parse(stdout) as { checks: Check[] };
    expect(checks.filter(({ result }) => result !== 'ok')).toEqual([]);
    expect(new Set(checks.map(({ check }) => check))).toEqual(
      new Set(['csm', 'temporal', 'search', 'worker', 'source', 'target', 'tools', 'disk']),
    );
    const tools = checks.find(({ check }) => check === 'tools');
    expect(tools?.text).toMatch(/^mongodump \d+\.\S+, mongorestore \d+\.\S+$/);
    expect(exitCode).toBe(exitCodes.ok);
  });

  it('names the aliases that a worker knows', async () => {
    const { exitCode, stdout } = await csm('doctor', '--source', 'nowhere');
    expect(exitCode).toBe(exitCodes.refused);
    expect(stdout).toContain('unknown alias "nowhere": this worker knows source, target');
  });
});

describe('completions', () => {
  it('know commands, options and their choices', async () => {
    expect((await csm('complete', '--', 'sta')).stdout).toContain('status\twhere one migration');
    expect((await csm('complete', '--', 'start', 'a.b', '--co')).stdout).toContain('--copy\t');
    expect((await csm('complete', '--', 'start', 'a.b', '--copy', '')).stdout).toContain('direct');
    expect((await csm('complete', '--', 'cutover', 'a.b', '--force', '')).stdout).toContain('lag');
  });

  it.each(['bash', 'zsh'])('are a script for %s', async (shell) => {
    const { exitCode, stdout } = await csm('completion', shell);
    expect(exitCode).toBe(exitCodes.ok);
    expect(stdout).toContain('csm complete --');
    if (shell === 'bash') await execa('bash', ['-n'], { input: stdout });
  });
});

describe('what cannot be done', () => {
  it('a wrong name is answered with the nearest right one', async () => {
    const { exitCode, stderr } = await csm('status', 'shop.order');
    expect(exitCode).toBe(exitCodes.notFound);
    expect(stderr).toContain('did you mean shop.orders');
    expect((await csm('stauts')).stderr).toContain('Did you mean status?');
  });

  it('a connection string is refused and never repeated', async () => {
    for (const args of [
      ['init', SECRET, 'target', 'shop', 'orders'],
      ['start', 'shop.orders', '--source', SECRET],
      ['start', 'shop.orders', '--json', `--reason=${SECRET}`],
    ]) {
      const { exitCode, stdout, stderr } = await csm(...args);
      expect(exitCode).toBe(exitCodes.usage);
      expect(stderr).toContain('holds a connection string');
      expect(stdout + stderr).not.toContain('s3cret');
    }
  });

  it('a mistake in the options never reaches Temporal', async () => {
    const { exitCode, stderr } = await csm('start', 'orders');
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).toContain('must be <database>.<collection>');
  });

  it('without a Temporal it says so', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const { exitCode, stderr } = await csm('status', '--address', address);
    expect(exitCode).toBe(exitCodes.noTemporal);
    expect(stderr).toContain(`no Temporal server at ${address}`);
    const wrong = await csm('status', '--temporal-namespace', 'nowhere');
    expect(wrong.exitCode).toBe(exitCodes.noTemporal);
    expect(wrong.stderr).toContain('has no namespace "nowhere"');
  });

  // The last one: the worker ends.
  it('without a worker it says so, and what Temporal knows by itself', async () => {
    await worker.kill('SIGKILL');
    const status = await csm('status', 'shop.watched', '--json');
    expect(status.exitCode).toBe(exitCodes.noWorker);
    expect(JSON.parse(status.stdout)).toMatchObject({
      state: 'running',
      status: null,
      noAnswer: expect.stringContaining('no worker answers on task queue'),
      underway: expect.arrayContaining([expect.objectContaining({ activity: 'capture' })]),
    });
    const cutover = await csm('cutover', 'shop.watched');
    expect(cutover.exitCode).toBe(exitCodes.noWorker);
    const late = await csm('abort', 'shop.orders');
    expect(late.exitCode).toBe(exitCodes.refused);
    // It looks alive for a while, and nobody takes these up.
    for (const args of [
      ['verify', 'shop.compared'],
      ['init', 'source', 'target', 'shop', 'carts'],
    ]) {
      expect((await csm(...args)).exitCode).toBe(exitCodes.noWorker);
    }
    const doctor = await csm('doctor');
    expect(doctor.exitCode).toBe(exitCodes.refused);
    expect(doctor.stdout).toMatch(/✗ worker .*no worker/);
    // Needs none.
    expect((await csm('list')).stdout).toContain('shop.watched');
    expect((await csm('logs', 'shop.watched')).stdout).toContain('started by');
  });
});
