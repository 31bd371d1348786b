import { spawn } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  obtainMongod,
  obtainMongoTools,
  obtainTemporal,
  startReplicaSet,
  startTemporalServer,
} from '../../embedded/index.js';

const INDEX = new URL('../../embedded/index.ts', import.meta.url).href;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PARENT_MS = 30_000;

vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

let work: string;
beforeAll(async () => {
  await obtainMongod();
  await obtainTemporal();
  await obtainMongoTools();
  work = await mkdtemp(join(tmpdir(), 'embedded-test-'));
});
afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function count(uri: string): Promise<number> {
  const client = await MongoClient.connect(uri);
  try {
    return await client.db('shop').collection('orders').countDocuments();
  } finally {
    await client.close();
  }
}

async function insert(uri: string): Promise<void> {
  const client = await MongoClient.connect(uri);
  try {
    await client
      .db('shop')
      .collection('orders')
      .insertOne({}, { writeConcern: { w: 'majority' } });
  } finally {
    await client.close();
  }
}

describe('a replica set', () => {
  it('keeps its data over restart and kill, and leaves nothing after stop', async () => {
    const set = await startReplicaSet({ name: 'embedded', oplogSizeMB: 100 });
    const [member] = set.members;
    const dir = dirname(member?.logFile ?? '');
    const pids = [member?.pid];
    try {
      await insert(set.uri);
      await set.restart();
      pids.push(member?.pid);
      expect(await count(set.uri)).toBe(1);

      await set.kill();
      expect(member?.pid).toBeUndefined();
      await set.restart();
      pids.push(member?.pid);
      expect(await count(set.uri)).toBe(1);
    } finally {
      await set.stop();
    }
    expect(new Set(pids).size).toBe(3);
    expect(pids.map((pid) => pid !== undefined && isRunning(pid))).toEqual([false, false, false]);
    await expect(stat(dirname(dir))).rejects.toThrow('ENOENT');
  });

  it('asks for credentials, and its connection string holds them', async () => {
    await using set = await startReplicaSet({
      name: 'auth',
      auth: { user: 'ann@shop', password: 'p:/?#' },
    });
    await insert(set.uri);
    expect(await count(set.uri)).toBe(1);
    const anonymous = set.uri.replace(/\/\/.*@/, '//').replace('&authSource=admin', '');
    await expect(count(anonymous)).rejects.toThrow('requires authentication');
  });

  it('lives on in a folder that is given, on the same ports', async () => {
    const options = { name: 'kept', dir: join(work, 'kept'), auth: { user: 'a', password: 'b' } };
    const first = await startReplicaSet(options);
    await insert(first.uri);
    await first.stop();

    await using again = await startReplicaSet(options);
    expect(again.uri).toBe(first.uri);
    expect(await count(again.uri)).toBe(1);
  });

  it('elects another primary when one is killed', async () => {
    await using set = await startReplicaSet({ name: 'three', members: 3, cacheSizeGB: 0.25 });
    await insert(set.uri);
    const primary = await set.primary();
    await primary.kill();
    const next = await set.primary();
    expect(next.port).not.toBe(primary.port);
    expect(await count(set.uri)).toBe(1);
    await primary.start();
    expect(primary.pid).toBeDefined();
  });

  it('shows the log when mongod does not start, and leaves nothing', async () => {
    const start = startReplicaSet({ name: 'bad', args: ['--noSuchArgument'] });
    await expect(start).rejects.toThrow(/mongod of bad .* ended with status.*noSuchArgument/s);
  });
});

/** Runs a script that starts a replica set and a Temporal server, and returns when both run. */
async function parent(last: string) {
  const script = join(work, `parent-${Math.random()}.mts`);
  await writeFile(
    script,
    `import { dirname } from 'node:path';
     import { startReplicaSet, startTemporalServer } from ${JSON.stringify(INDEX)};
     const set = await startReplicaSet({ name: 'orphan' });
     const server = await startTemporalServer();
     const [member] = set.members;
     console.log(JSON.stringify({ pids: [member.pid, server.pid], dirs: [dirname(dirname(member.logFile)), dirname(server.logFile)] }));
     ${last}`,
  );
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    cwd: ROOT,
    // A process group of its own, as a terminal gives its foreground command.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: PARENT_MS,
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (data) => resolve(String(data)));
    child.once('exit', () => reject(new Error('the parent ended early')));
  });
  if (child.pid === undefined) throw new Error('the parent did not start');
  const { pids, dirs }: { pids: number[]; dirs: string[] } = JSON.parse(line);
  return { child, group: child.pid, pids, dirs };
}

async function expectNothingLeft(pids: number[], dirs: string[]): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(pids.filter(isRunning)).toEqual([]);
      for (const dir of dirs) await expect(stat(dir)).rejects.toThrow('ENOENT');
    },
    { timeout: 20_000, interval: 100 },
  );
}

describe('a parent that goes away', () => {
  it.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
    'by %s takes its servers with it',
    async (signal) => {
      const { child, pids, dirs } = await parent(
        'await new Promise(() => setInterval(() => {}, 1000));',
      );
      expect(pids.map(isRunning)).toEqual([true, true]);
      child.kill(signal);
      await expectNothingLeft(pids, dirs);
    },
  );

  it('by its end takes its servers with it, though it never stopped them', async () => {
    const { child, pids, dirs } = await parent('');
    await vi.waitFor(() => expect(child.exitCode).toBe(0), { timeout: 20_000 });
    await expectNothingLeft(pids, dirs);
  });

  it('stops them in its own order when a terminal interrupts its process group', async () => {
    const { child, group, pids, dirs } = await parent(
      `setInterval(() => {}, 1000);
       process.once('SIGINT', async () => {
         await new Promise((resolve) => setTimeout(resolve, 500));
         const both = [member.pid, server.pid].every((pid) => pid !== undefined);
         await server.stop();
         await set.stop();
         process.exit(both ? 0 : 1);
       });`,
    );
    const groups = await execa('ps', ['-o', 'pgid=', '-p', [group, ...pids].join(',')]);
    expect(new Set(groups.stdout.trim().split(/\s+/)).size).toBe(3);
    process.kill(-group, 'SIGINT');
    await vi.waitFor(() => expect(child.exitCode).toBe(0), { timeout: 20_000 });
    await expectNothingLeft(pids, dirs);
  });
});

async function started(address: string): Promise<number> {
  const connection = await Connection.connect({ address });
  try {
    const client = new Client({ connection });
    let found = 0;
    for await (const _ of client.workflow.list()) found++;
    return found;
  } finally {
    await connection.close();
  }
}

describe('a Temporal server', () => {
  it('keeps its workflows in a file over kill and restart', async () => {
    const dbFile = join(work, 'temporal.db');
    await using server = await startTemporalServer({ dbFile });
    const connection = await Connection.connect({ address: server.address });
    const client = new Client({ connection, namespace: server.namespace });
    await client.workflow.start('anything', { taskQueue: 'none', workflowId: 'kept' });
    await connection.close();
    await vi.waitFor(async () => expect(await started(server.address)).toBe(1), {
      timeout: 20_000,
    });

    await server.kill();
    expect(server.pid).toBeUndefined();
    await server.restart();
    expect(await started(server.address)).toBe(1);
    await server.restart();
    expect(await started(server.address)).toBe(1);
  });

  it('serves the UI when asked to, several at once', async () => {
    await using one = await startTemporalServer({ ui: true });
    await using two = await startTemporalServer({ ui: true });
    expect(one.uiUrl).not.toBe(two.uiUrl);
    for (const { uiUrl } of [one, two]) {
      const page = await fetch(uiUrl ?? '');
      expect(page.status).toBe(200);
      expect(await page.text()).toContain('<div id="svelte">');
    }
  });

  it('shows the log when it does not start', async () => {
    const start = startTemporalServer({ args: ['--no-such-flag'] });
    await expect(start).rejects.toThrow(/Temporal server ended with status.*no-such-flag/s);
  });
});
