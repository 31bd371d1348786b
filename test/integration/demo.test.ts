import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { type Collection, type Document, Double, Int32, MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { compareCatalogues } from '../../demo/catalogue.js';
import { compareDocuments } from '../../demo/equality.js';
import { type ReplicaSet, startReplicaSet } from '../../embedded/index.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEMO = fileURLToPath(new URL('../../demo/demo.ts', import.meta.url));

vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

/** Where the demo puts its temporary files, so that others on this machine are not taken for its own. */
let folder: string;
let running: Demo | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-test-'));
});
afterEach(async () => {
  running?.signal('SIGTERM');
  await running?.child;
  running = undefined;
  await rm(folder, { recursive: true, force: true });
});

type Demo = ReturnType<typeof startDemo>;

function startDemo(...args: string[]) {
  const child = execa(process.execPath, ['--import', 'tsx', DEMO, ...args], {
    cwd: ROOT,
    env: { TMPDIR: folder, CI: '1', TEMPORAL_ADDRESS: 'nowhere:1', CSM_LOG_LEVEL: 'loud' },
    all: true,
    reject: false,
    // A process group of its own, as a terminal gives it.
    detached: true,
  });
  let output = '';
  child.all.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const demo = {
    child,
    output: () => output,
    /** Waits until it has written this. */
    said: (text: string) =>
      vi.waitFor(() => expect(output).toContain(text), { timeout: 240_000, interval: 20 }),
    /** To the whole group, as Ctrl-C in a terminal. */
    signal(signal: NodeJS.Signals): void {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal);
    },
  };
  running = demo;
  return demo;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

async function processes(): Promise<Process[]> {
  const { stdout } = await execa('ps', ['-eo', 'pid=,ppid=,args=']);
  return stdout.split('\n').map((line) => {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return { pid: Number(pid), parent: Number(parent), command };
  });
}

/** What runs for the demo: the scripts that watch over its servers name its folders. */
async function servers(): Promise<Process[]> {
  const all = await processes();
  const isScript = ({ command }: Process) =>
    command.includes(folder) && command.includes('supervise.sh');
  const scripts = all.filter(isScript);
  return all.filter((one) => !isScript(one) && scripts.some(({ pid }) => pid === one.parent));
}

async function expectNothingLeft(before: readonly Process[]): Promise<void> {
  const now = await processes();
  const left = now.filter(
    ({ pid, command }) =>
      command.includes(folder) || before.some((one) => one.pid === pid && one.command === command),
  );
  expect(left).toEqual([]);
  // tsx keeps its cache there.
  expect((await readdir(folder)).filter((name) => !name.startsWith('tsx-'))).toEqual([]);
}

describe('the demo', () => {
  it('migrates through dump and restore, and proves that both sides are equal', async () => {
    const { child, output } = startDemo('--docs', '2000', '--rate', '200');
    const { exitCode } = await child;
    expect(exitCode, output()).toBe(0);
    for (const text of ['preflight', 'copying', 'replaying', 'ready']) {
      expect(output().split(`\n  ${text}:`), text).toHaveLength(2);
    }
    expect(output()).toContain('Both sides are equal.');
    expect(output()).toMatch(/documents +(\d,\d{3}) +\1 +each compared, byte for byte\n/);
    expect(output()).toMatch(/bytes +([\d,]+) +\1\n/);
    expect(output()).toMatch(/indexes +12 +12 +the same\n/);
    expect(output()).toMatch(/options +3 +3 +the same\n/);
    expect(output()).toMatch(/source ([0-9a-f]{64})\n +target \1\n/);
    expect(output()).toMatch(/downtime +[\d,]+ ms/);
    expect(output()).not.toContain('\u001b');
    await expectNothingLeft([]);
  });

  it('migrates from server to server, and stays up until Ctrl-C', async () => {
    const demo = startDemo('--docs', '2000', '--rate', '200', '--copy', 'direct', '--keep');
    await demo.said('Ctrl-C ends it all');
    expect(demo.output()).toContain('"copy":"direct"');
    expect(demo.output()).toContain('Both sides are equal.');
    const before = await servers();
    expect(before).toHaveLength(4);
    demo.signal('SIGINT');
    const { exitCode } = await demo.child;
    expect(exitCode, demo.output()).toBe(0);
    await expectNothingLeft(before);
  });

  it.each([
    ['SIGINT', 'Servers of its own', 130],
    ['SIGTERM', '  source  ', 143],
    ['SIGINT', 'An application', 130],
    ['SIGINT', '  copying', 130],
    ['SIGTERM', '  replaying', 143],
    ['SIGINT', 'The cutover', 130],
  ] as const)('leaves nothing behind after %s at "%s"', async (signal, text, code) => {
    const demo = startDemo('--docs', '20000');
    await demo.said(text);
    const before = await servers();
    demo.signal(signal);
    demo.signal(signal);
    const { exitCode } = await demo.child;
    expect(exitCode, demo.output()).toBe(code);
    expect(demo.output()).toContain('nothing is left behind');
    await expectNothingLeft(before);
  });

  it('says why it fails, with the end of the log, when the worker dies', async () => {
    const demo = startDemo('--docs', '20000');
    await demo.said('  copying');
    const before = await servers();
    const worker = before.find(({ command }) => command.includes('worker.ts'));
    process.kill(worker?.pid ?? Number.NaN, 'SIGKILL');
    const { exitCode } = await demo.child;
    expect(exitCode).toBe(1);
    expect(demo.output()).toContain('The demo failed: the worker ended with status 137');
    expect(demo.output()).toMatch(/log ends with:\n.*ready: serving/s);
    // What a worker runs notices its end by itself, within a second.
    await vi.waitFor(() => expectNothingLeft(before), { timeout: 5_000, interval: 200 });
  });

  it('explains a wrong option', async () => {
    const { child, output } = startDemo('--dosc', '5');
    const { exitCode } = await child;
    expect(exitCode).toBe(1);
    expect(output()).toContain('unknown option --dosc; did you mean --docs?');
  });
});

interface Order extends Document {
  readonly _id: number | string | Int32 | Double;
}

describe('the comparison', () => {
  let set: ReplicaSet;
  let client: MongoClient;
  let source: Collection<Order>;
  let target: Collection<Order>;
  const compare = (filter?: Document) => {
    const [here, there] = [
      client.db('here').collection('orders'),
      client.db('there').collection('orders'),
    ];
    return compareDocuments(here, there, filter && { filter });
  };
  const compareRest = () =>
    compareCatalogues(
      client.db('here').collection('orders'),
      client.db('there').collection('orders'),
    );
  const documents = Array.from({ length: 5_000 }, (_, index) => ({
    _id: new Int32(index),
    a: new Int32(1),
    b: 'text',
  }));

  beforeAll(async () => {
    set = await startReplicaSet({ name: 'compare', cacheSizeGB: 0.25 });
    client = await MongoClient.connect(set.uri);
  });
  afterAll(async () => {
    await client?.close();
    await set?.stop();
  });
  beforeEach(async () => {
    source = client.db('here').collection<Order>('orders');
    target = client.db('there').collection<Order>('orders');
    for (const side of [source, target]) {
      await side.drop();
      await side.insertMany(documents.map((document) => ({ ...document })));
      await side.createIndex({ a: 1, b: -1 }, { name: 'both' });
    }
  });

  it('finds nothing where there is nothing', async () => {
    const { source: here, target: there, ...found } = await compare();
    expect(found).toEqual({ different: 0, first: [] });
    expect(here).toEqual(there);
    expect(here.documents).toBe(5_000);
    const { differences } = await compareRest();
    expect(differences).toEqual([]);
  });

  it.each([
    ['a byte', { a: new Int32(1), b: 'texu' }, '"b" differs'],
    [
      'a type',
      { a: new Double(1), b: 'text' },
      '"a" has BSON type 16 at the source, 1 at the target',
    ],
    ['the order of fields', { b: 'text', a: new Int32(1) }, 'another place'],
    ['a field less', { a: new Int32(1) }, '"b" is missing at the target'],
  ])('finds %s', async (_, fields, text) => {
    await target.replaceOne({ _id: 2_500 }, fields);
    const found = await compare();
    expect(found.different).toBe(1);
    expect(found.first[0]).toContain('_id {"$numberInt":"2500"}: ');
    expect(found.first[0]).toContain(text);
    expect(found.source.sha256).not.toBe(found.target.sha256);
  });

  it('finds an _id of another type', async () => {
    await target.deleteOne({ _id: 7 });
    await target.insertOne({ _id: new Double(7), a: new Int32(1), b: 'text' });
    const { different, first } = await compare();
    expect(different).toBe(2);
    expect(first).toEqual([
      '_id {"$numberInt":"7"}: missing at the target',
      '_id {"$numberDouble":"7.0"}: only at the target',
    ]);
  });

  it('finds documents that are missing and others that are too many, at any place', async () => {
    await target.deleteMany({ _id: { $in: [0, 1, 2_500, 4_999] } });
    await target.insertMany([{ _id: -1 }, { _id: 'last' }]);
    const { different, first, ...sides } = await compare();
    expect(different).toBe(6);
    expect(first.filter((line) => line.endsWith('missing at the target'))).toHaveLength(4);
    expect(first.filter((line) => line.endsWith('only at the target'))).toHaveLength(2);
    expect(sides.source.documents - sides.target.documents).toBe(2);
  });

  it('leaves out what it is told to, on both sides', async () => {
    await target.insertOne({ _id: 'after-cutover-1' });
    const filter = { _id: { $not: /^after-cutover-/ } };
    const { different, source: here } = await compare(filter);
    expect(different).toBe(0);
    expect(here.documents).toBe(5_000);
  });

  it('finds what differs in indexes and options', async () => {
    await target.dropIndex('both');
    await target.createIndex({ b: -1, a: 1 }, { name: 'both' });
    await target.createIndex({ b: 1 }, { name: 'more' });
    await source.createIndex({ a: 1 }, { name: 'unique', unique: false });
    await target.createIndex({ a: 1 }, { name: 'unique', hidden: true });
    await client.db('here').command({ collMod: 'orders', validator: { a: { $exists: true } } });
    const { differences } = await compareRest();
    const named = differences.map((line) => line.split(':')[0]);
    expect(named).toEqual([
      'index both',
      'index more',
      'index unique',
      'option validationAction',
      'option validationLevel',
      'option validator',
    ]);
  });
});
