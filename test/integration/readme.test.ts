import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  obtainMongoTools,
  obtainTemporal,
  startReplicaSet,
  startTemporalServer,
  type ReplicaSet,
  type TemporalServer,
} from '../../embedded/index.js';
import { readCatalogue } from '../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../src/mongo/catalogue-difference.js';
import type { MigrationStatus } from '../../src/workflows/status.js';

const ROOT = new URL('../../', import.meta.url);
const WORKER = fileURLToPath(new URL('src/worker.ts', ROOT));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const DOCUMENTS = 2_000;

let folder: string;
let source: ReplicaSet;
let target: ReplicaSet;
let temporal: TemporalServer;
let worker: ReturnType<typeof startWorker>;
let from: MongoClient;
let to: MongoClient;
let path: string;
let readme: string;
let cutoverPage: string;
let scriptsPage: string;
let statusPage: string;
let verificationPage: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csm-readme-'));
  await mkdir(join(folder, 'home'));
  [source, target, temporal] = await Promise.all([
    startReplicaSet({ name: 'source' }),
    startReplicaSet({ name: 'target' }),
    startTemporalServer(),
  ]);
  [from, to] = await Promise.all([
    MongoClient.connect(source.uri),
    MongoClient.connect(target.uri),
  ]);
  for (const name of ['orders', 'carts']) {
    const documents = Array.from({ length: DOCUMENTS }, (_, number) => ({ number }));
    await from.db('shop').collection(name).insertMany(documents);
    await from.db('shop').collection(name).createIndex({ number: 1 }, { unique: true });
  }
  path = [dirname(await obtainTemporal()), process.env['PATH'] ?? ''].join(delimiter);
  readme = await read('README.md');
  cutoverPage = await read('docs/cutover.md');
  scriptsPage = await read('docs/from-the-scripts.md');
  statusPage = await read('docs/status.md');
  verificationPage = await read('docs/verification.md');
  const tools = await obtainMongoTools();
  worker = startWorker({
    MONGODB_URI_SOURCE: source.uri,
    MONGODB_URI_TARGET: target.uri,
    MONGODUMP_BIN: tools.mongodump,
    MONGORESTORE_BIN: tools.mongorestore,
  });
}, 300_000);

afterAll(async () => {
  worker?.kill('SIGTERM');
  await worker;
  await Promise.all([from?.close(), to?.close()]);
  await Promise.all([source?.stop(), target?.stop(), temporal?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

describe('the five steps of the README', () => {
  it('start, watch and cut over a migration', async () => {
    const id = 'migrate:source:shop.orders';
    const start = command(readme, 'workflow start', id);
    const query = command(readme, 'workflow query', id);
    expect(await run(start)).toMatchObject({ exitCode: 0 });
    const again = await run(start);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain('already running');

    await reach(query, ({ phase, mayCutOver }) => phase === 'ready' && mayCutOver);
    const cutover = await run(command(readme, 'workflow update execute', id));
    expect(cutover).toMatchObject({ exitCode: 0 });
    expect(cutover.stdout).toContain('openedAt:');
    expect(cutover.stdout).toContain('downtimeMs:');

    const result = await run(command(readme, 'workflow result', id));
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.stdout).toContain('"phase":"completed"');
    expect(await to.db('shop').collection('orders').countDocuments()).toBe(DOCUMENTS);
    expect(await run(command(readme, 'workflow update execute', id))).toMatchObject({
      exitCode: 1,
    });
  }, 120_000);

  it('come after two commands of one line each', async () => {
    const { scripts } = JSON.parse(await read('package.json'));
    expect(readme).toContain('\nnpm ci && npm run demo\nnpm ci && npm test\n');
    expect(scripts).toMatchObject({ demo: expect.any(String), test: expect.any(String) });
  });
});

describe('look before, prove after', () => {
  it('are two commands: one answers what is in the way, one that both sides are equal', async () => {
    const looked = await run(command(readme, 'workflow execute', 'preflight:source:shop.orders'));
    expect(looked).toMatchObject({ exitCode: 0 });
    expect(looked.stdout).toContain('"code":"targetExists"');
    expect(looked.stdout).toContain('"mayStart":false');
    const id = 'verify:source:shop.orders';
    expect(await run(command(readme, 'workflow start', id))).toMatchObject({ exitCode: 0 });
    const result = await run(command(verificationPage, 'workflow result', id));
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.stdout).toContain('"equal":true');
    const status = await run(command(verificationPage, 'workflow query', id));
    expect(status.stdout).toContain('completed');
  }, 60_000);
});

describe('the two parts of the scripts', () => {
  it('are a migration with marker that waits for the signal restore; a refused cutover says why', async () => {
    const id = 'migrate:source:shop.carts';
    const query = queryOf(id);
    expect(await run(command(scriptsPage, 'workflow start', id))).toMatchObject({ exitCode: 0 });
    await reach(query, ({ phase }) => phase === 'waiting');
    expect(await to.db('shop').collection('carts').countDocuments()).toBe(0);

    const forced = command(cutoverPage, '"force"', '<id>').replace('<id>', id);
    const refused = await run(forced);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('the copy waits for the signal restore (waiting)');
    expect(refused.stderr).toContain('CutoverRefused');

    expect(await run(command(scriptsPage, 'workflow signal', id))).toMatchObject({ exitCode: 0 });
    await reach(query, ({ phase }) => phase === 'ready');
    expect(await run(forced)).toMatchObject({ exitCode: 0 });
    await reach(query, ({ phase, left }) => phase === 'completed' && left?.[0] === 'shop.carts');
    expect(await from.db('shop').collection('carts').countDocuments()).toBe(DOCUMENTS);
    expect(await to.db('shop').collection('carts').countDocuments()).toBe(DOCUMENTS);
  }, 120_000);
});

function read(name: string): Promise<string> {
  return readFile(new URL(name, ROOT), 'utf8');
}

describe('what is said of kinds of collections', () => {
  it.each([
    ['capped', { capped: true, size: 1_000_000 }],
    ['clustered', { clusteredIndex: { key: { _id: 1 }, unique: true }, expireAfterSeconds: 3600 }],
    ['collation', { collation: { locale: 'en', strength: 2 } }],
    ['validator', { validator: { number: { $type: 'int' } } }],
  ] as const)(
    '%s: changes arrive, options are the same',
    async (kind, options) => {
      const namespace = `shop.${kind}`;
      const wanted = from.db('shop').collection<Numbered>(kind);
      await from.db('shop').createCollection(kind, options);
      await wanted.insertMany([3, 1, 2].map((number) => ({ _id: `${number}`, number })));
      const id = await begin(namespace, {});
      await reach(queryOf(id), ({ phase }) => phase === 'ready');
      await wanted.insertMany([0, 9].map((number) => ({ _id: `${number}`, number })));
      await wanted.updateOne({ _id: '1' }, { $set: { number: 11 } });
      await run(`temporal workflow signal -w ${id} --name cutover`);
      await reach(queryOf(id), ({ phase, problem }) => {
        if (problem) throw new Error(problem.what);
        return phase === 'completed';
      });
      const [given, got] = await Promise.all([
        readCatalogue(from.db('shop'), kind),
        readCatalogue(to.db('shop'), kind),
      ]);
      if (!given || !got) throw new Error('a collection is missing');
      expect(compareCatalogues(given, got)).toEqual([]);
      const inOrder = { [kind === 'capped' ? '$natural' : '_id']: 1 } as const;
      const made = to.db('shop').collection<Numbered>(kind);
      expect(await made.find({}, { sort: inOrder }).toArray()).toEqual(
        await wanted.find({}, { sort: inOrder }).toArray(),
      );
    },
    60_000,
  );

  it('carries indexes that are created later', async () => {
    const later = from.db('shop').collection<Numbered>('later');
    await later.insertOne({ _id: '1', number: 1 });
    const id = await begin('shop.later', { copy: 'direct' });
    await reach(queryOf(id), ({ phase }) => phase === 'ready');
    await later.createIndex({ number: 1 }, { name: 'plain' });
    await later.createIndex({ number: -1 }, { name: 'unique', unique: true });
    const made = async () => (await to.db('shop').collection('later').indexes()).length;
    await expect.poll(made, { timeout: 30_000 }).toBe(3);
    await run(`temporal workflow signal -w ${id} --name cutover`);
    await reach(queryOf(id), ({ phase }) => phase === 'completed');
    const indexes = await to.db('shop').collection('later').indexes();
    expect(indexes.map(({ name, unique }) => [name, unique])).toEqual([
      ['_id_', undefined],
      ['plain', undefined],
      ['unique', true],
    ]);
  }, 60_000);

  it('refuses views and time series collections', async () => {
    await from.db('shop').createCollection('view', { viewOn: 'orders', pipeline: [] });
    await from.db('shop').createCollection('series', { timeseries: { timeField: 'at' } });
    for (const [name, word] of [
      ['view', 'is a view'],
      ['series', 'is a time series collection'],
    ] as const) {
      const id = await begin(`shop.${name}`, {});
      const { exitCode, stdout } = await run(`temporal workflow result -w ${id}`);
      expect(exitCode).toBe(1);
      expect(stdout).toContain(word);
    }
  }, 60_000);
});

interface Numbered {
  readonly _id: string;
  readonly number: number;
}

/** Starts a migration as the README does, with more options. */
async function begin(namespace: string, options: object): Promise<string> {
  const id = `migrate:source:${namespace}`;
  const input = JSON.stringify({ source: 'source', target: 'target', namespace, ...options });
  const start = command(readme, 'workflow start', 'migrateCollection', 'shop.orders')
    .replaceAll('shop.orders', namespace)
    .replace(/--input '.*'/, `--input '${input}'`);
  expect(await run(start)).toMatchObject({ exitCode: 0 });
  return id;
}

function queryOf(id: string): string {
  return command(statusPage, 'workflow query', '<id>').replace('<id>', id);
}

/** The one command of a page that has both texts in it, on one line. */
function command(markdown: string, ...texts: readonly string[]): string {
  const found = [...markdown.matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)]
    .flatMap(([, code = '']) => code.replaceAll(/\\\n\s*/g, '').split('\n'))
    .map((line) => line.trim())
    .filter((line) => line.startsWith('temporal ') && !line.includes('|'))
    .filter((line) => texts.every((text) => line.includes(text)));
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new Error(`${found.length} commands with ${texts.join(' and ')}`);
  }
  return only;
}

// As in a shell of a person, where nothing is set but where Temporal is.
function environment(): Record<string, string> {
  return {
    PATH: path,
    HOME: join(folder, 'home'),
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_CONFIG_FILE: join(folder, 'temporal.toml'),
  };
}

function startWorker(env: Record<string, string>) {
  return execa(process.execPath, ['--import', TSX, WORKER], {
    cwd: folder,
    reject: false,
    extendEnv: false,
    env: { ...environment(), CSM_DUMP_FOLDER: join(folder, 'dumps'), ...env },
  });
}

function run(line: string) {
  return execa('sh', ['-c', line], { reject: false, extendEnv: false, env: environment() });
}

/** Repeats the query until its answer is as wanted. */
async function reach(query: string, wanted: (status: MigrationStatus) => boolean): Promise<void> {
  for (;;) {
    const { stdout } = await run(`${query} --output json`);
    const status = stdout === '' ? undefined : answerOf(stdout);
    if (status && wanted(status)) return;
    if (status?.phase === 'failed') throw new Error(stdout);
    await sleep(200);
  }
}

function answerOf(stdout: string): MigrationStatus | undefined {
  const answer: { queryResult: MigrationStatus[] } = JSON.parse(stdout);
  return answer.queryResult[0];
}
