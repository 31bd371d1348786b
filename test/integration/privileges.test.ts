import { readFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { Client, Connection, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, ActivityFailure } from '@temporalio/common';
import { execa } from 'execa';
import { MongoClient, type Document } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  obtainMongoTools,
  startReplicaSet,
  startTemporalServer,
  type ReplicaSet,
  type TemporalServer,
} from '../../embedded/index.js';
import type { ComparisonReport } from '../../src/comparison.js';
import { errorTypes } from '../../src/errors.js';
import type { Inspection } from '../../src/inspection.js';
import { readCatalogue } from '../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../src/mongo/catalogue-difference.js';
import { enforceFinal, relaxFinal } from '../../src/mongo/final-form.js';
import { finalFeatures, planFinal } from '../../src/mongo/final-plan.js';
import { loadForms } from '../../src/mongo/index-twins.js';
import { createIndexes } from '../../src/mongo/indexes.js';
import { TASK_QUEUE } from '../../src/names.js';
import type { MigrationStatus } from '../../src/workflows/status.js';

const WORKER = fileURLToPath(new URL('../../src/worker.ts', import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const DOCUMENT = new URL('../../docs/privileges.md', import.meta.url);
const ROOT = { user: 'root', password: 'root' };
/** Every character that a URI, a shell, YAML or JSON reads in its own way. */
const PASSWORD = `ka7zu:et/@?%#&"'\\$ {é}`;
const DOCUMENTS = 20_000;

let folder: string;
let source: ReplicaSet;
let target: ReplicaSet;
let temporal: TemporalServer;
let client: Client;
let from: MongoClient;
let to: MongoClient;
let worker: ReturnType<typeof startWorker>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csm-privileges-'));
  await mkdir(join(folder, 'tmp'));
  [source, target, temporal] = await Promise.all([
    startReplicaSet({ name: 'source', auth: ROOT }),
    startReplicaSet({ name: 'target', auth: ROOT }),
    startTemporalServer(),
  ]);
  [from, to] = await Promise.all([
    MongoClient.connect(source.uri),
    MongoClient.connect(target.uri),
  ]);
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });

  const blocks = codeBlocks(await readFile(DOCUMENT, 'utf8'));
  await grant(from, blocks, ['Source'], 'stream');
  await grant(from, blocks, ['Source', 'Marker'], 'marker');
  await grant(from, withoutAction(blocks, 'changeStream'), ['Source'], 'blind');
  // What the page says of the built-in role.
  await from
    .db('admin')
    .command({ createUser: 'reader', pwd: PASSWORD, roles: [{ role: 'read', db: 'shop' }] });
  await grant(to, blocks, ['Target'], 'plain');
  await grant(to, blocks, ['Target', 'collMod'], 'collmod');

  await grant(from, blocks, ['Looking and comparing'], 'verifier');
  await grant(to, blocks, ['Looking and comparing'], 'verifier');

  const tools = await obtainMongoTools();
  worker = startWorker({
    TEMPORAL_ADDRESS: temporal.address,
    MONGODB_URI_STREAM: uriOf(source, 'stream'),
    MONGODB_URI_MARKER: uriOf(source, 'marker'),
    MONGODB_URI_READER: uriOf(source, 'reader'),
    MONGODB_URI_BLIND: uriOf(source, 'blind'),
    MONGODB_URI_PLAIN: uriOf(target, 'plain'),
    MONGODB_URI_COLLMOD: uriOf(target, 'collmod'),
    MONGODB_URI_LEFT: uriOf(source, 'verifier'),
    MONGODB_URI_RIGHT: uriOf(target, 'verifier'),
    MONGODUMP_BIN: tools.mongodump,
    MONGORESTORE_BIN: tools.mongorestore,
  });
  await worker.said('ready: serving');
}, 300_000);

afterAll(async () => {
  await worker?.stop();
  await Promise.all([from?.close(), to?.close()]);
  await Promise.all([source?.stop(), target?.stop(), temporal?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  await Promise.all([from.db('shop').dropDatabase(), to.db('shop').dropDatabase()]);
  const orders = from.db('shop').collection<Order>('orders');
  const text = 'x'.repeat(400);
  await orders.insertMany(
    Array.from({ length: DOCUMENTS }, (_, _id) => ({ _id, number: `n${_id}`, text })),
  );
  await orders.createIndex({ number: 1 }, { unique: true });
  await orders.createIndex({ seenAt: 1 }, { expireAfterSeconds: 3600 });
});

describe('a migration with exactly the documented roles', () => {
  it.each([
    { copy: 'dump', token: 'stream', source: 'stream', target: 'plain' },
    { copy: 'direct', token: 'stream', source: 'stream', target: 'collmod' },
    { copy: 'dump', token: 'stream', source: 'reader', target: 'plain' },
    { copy: 'dump', token: 'marker', source: 'marker', target: 'collmod' },
    { copy: 'direct', token: 'marker', source: 'marker', target: 'plain' },
  ])(
    'copy $copy, token $token, users $source and $target',
    async (input) => {
      const withCollMod = input.target === 'collmod';
      if (withCollMod) {
        await setValidator();
      }
      const handle = await start(input);
      await using writer = startWriter();
      await reach(handle, 'ready');
      await reshape(withCollMod);
      await writer.stop();
      await handle.executeUpdate('cutover', { args: [{}] });
      const result = await handle.result();

      expect(result).toMatchObject({ phase: 'completed', left: ['shop.orders'] });
      expect(result.lateWrites).toMatchObject({ count: 0 });
      expect(writer.written()).toBeGreaterThan(0);
      expect(result.warnings.some((warning) => warning.includes('built again'))).toBe(!withCollMod);
      await expectEqual();
    },
    120_000,
  );

  it('leaves a validator in force when an attempt of the cutover had to be repeated', async () => {
    await from.db('shop').dropCollection('orders');
    await from.db('shop').createCollection('orders', { validator: { n: { $type: 'int' } } });
    await to.db('shop').createCollection('orders');
    const wanted = await readCatalogue(from.db('shop'), 'orders');
    if (!wanted) throw new Error('the collection is missing');
    const context = { db: to.db('shop'), collection: 'orders', source: wanted };
    const plan = planFinal(wanted, finalFeatures('6.0', true));
    await enforceFinal(context, plan);
    await relaxFinal(context, plan);
    await enforceFinal(context, plan);
    await expectEqual();
  });

  it('leaves no index unique behind a refused cutover, without collMod too', async () => {
    await from
      .db('shop')
      .collection('orders')
      .createIndex({ other: 1 }, { unique: true, sparse: true });
    const wanted = await readCatalogue(from.db('shop'), 'orders');
    if (!wanted) throw new Error('the collection is missing');
    const orders = to.db('shop').collection('orders');
    await orders.insertMany([
      { number: 'one', other: 1 },
      { number: 'two', other: 1 },
    ]);
    const context = { db: to.db('shop'), collection: 'orders', source: wanted };
    await createIndexes(context.db, 'orders', loadForms(wanted));
    const plan = planFinal(wanted, finalFeatures('6.0', false));
    await expect(enforceFinal(context, plan)).rejects.toThrow('duplicates');
    await relaxFinal(context, plan);
    // The replay goes on, and values move between documents: it must meet no unique index.
    const indexes = await orders.indexes();
    expect(indexes.filter(({ unique }) => unique).map(({ name }) => name)).toEqual([]);
  });

  it('refuses the cutover while a new validator cannot be applied, and names the privilege', async () => {
    const handle = await start({ source: 'stream', target: 'plain', copy: 'direct' });
    await reach(handle, 'ready');
    await setValidator();
    const refusal: unknown = await handle
      .executeUpdate('cutover', { args: [{}] })
      .catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      cause: {
        type: errorTypes.cutoverRefused,
        message: expect.stringMatching(/option "validator" \(.*may not run collMod: grant it/),
      },
    });
    await to.db('admin').command({
      grantRolesToUser: 'plain',
      roles: [{ role: 'collmodCollMod', db: 'shop' }],
    });
    try {
      await expect
        .poll(() => handle.executeUpdate('cutover', { args: [{}] }).catch(() => undefined), {
          timeout: 30_000,
        })
        .toBeDefined();
      await handle.result();
      await expectEqual();
    } finally {
      await to.db('admin').command({
        revokeRolesFromUser: 'plain',
        roles: [{ role: 'collmodCollMod', db: 'shop' }],
      });
    }
  });

  it('refuses a validator when the target may not be changed by collMod, and names the privilege', async () => {
    await from
      .db('shop')
      .command({ collMod: 'orders', validator: { number: { $type: 'string' } } });
    const failure = await failureOf(await start({ source: 'stream', target: 'plain' }));
    expect(failure.type).toBe(errorTypes.preflightFailed);
    expect(failure.message).toContain('grant collMod');
  });

  it('names changeStream when the user of the source lacks it, and writes nothing', async () => {
    const failure = await failureOf(await start({ source: 'blind', target: 'plain' }));
    expect(failure.type).toBe(errorTypes.preflightFailed);
    expect(failure.message).toContain('the user of the source lacks');
    expect(failure.message).toContain('changeStream on shop.orders');
    expect(await to.db('shop').listCollections().toArray()).toEqual([]);
  });

  it('names insert and remove when the marker is asked for without them', async () => {
    const handle = await start({ source: 'stream', target: 'plain', token: 'marker' });
    const failure = await failureOf(handle);
    expect(failure.message).toContain('lacks insert and remove on shop.orders');
  });
});

describe('a comparison with exactly the documented role', () => {
  it('reads both sides, and is not allowed anything else', async () => {
    const orders = await from.db('shop').collection<Order>('orders').find().toArray();
    await to.db('shop').collection<Order>('orders').insertMany(orders.slice(1));
    const report: ComparisonReport = await client.workflow.execute('verifyCollection', {
      taskQueue: TASK_QUEUE,
      workflowId: 'verify',
      args: [{ source: 'left', target: 'right', namespace: 'shop.orders' }],
    });
    expect(report).toMatchObject({ equal: false, differing: 0, missing: 1, extra: 0 });
    expect(report.first).toEqual([{ id: '0', kind: 'missing' }]);
    expect(report.indexDifferences.map(({ name }) => name)).toEqual(['number_1', 'seenAt_1']);

    const found: Inspection = await client.workflow.execute('preflight', {
      taskQueue: TASK_QUEUE,
      workflowId: 'look',
      args: [{ source: 'left', target: 'right', namespace: 'shop.orders' }],
    });
    expect(found.errors.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['sourceStreamRefused', 'targetPrivileges']),
    );
    expect(found.source?.privileges).toMatchObject({ find: true, changeStream: false });
  }, 60_000);
});

interface Order extends Document {
  _id: number | string;
}

type Blocks = ReadonlyMap<string, string>;

/** JavaScript code blocks of a Markdown file, by the heading above them. */
function codeBlocks(markdown: string): Blocks {
  const found = [...markdown.matchAll(/^#+ (.+)$|^```js\n([\s\S]*?)^```$/gm)];
  let heading = '';
  const blocks = new Map<string, string>();
  for (const [, title, code] of found) {
    if (title !== undefined) heading = title;
    if (code !== undefined) blocks.set(heading, code);
  }
  return blocks;
}

function withoutAction(blocks: Blocks, action: string): Blocks {
  return new Map([...blocks].map(([title, code]) => [title, code.replace(`'${action}', `, '')]));
}

/** Runs documented code as `mongosh` would, for a user of this name and roles that bear it too. */
async function grant(
  admin: MongoClient,
  blocks: Blocks,
  titles: readonly string[],
  user: string,
): Promise<void> {
  const commands: { db: string; command: Document }[] = [];
  const getSiblingDB = (db: string) => {
    const add = (command: Document) => commands.push({ db, command });
    return {
      createRole: ({ role, ...rest }: Document) => add({ createRole: role, ...rest }),
      createUser: ({ pwd, roles }: Document) => add({ createUser: user, pwd, roles }),
      grantRolesToUser: (...[, roles]: [string, unknown]) => add({ grantRolesToUser: user, roles }),
    };
  };
  for (const title of titles) {
    const code = blocks.get(title);
    if (code === undefined) throw new Error(`docs/privileges.md has no code below "${title}"`);
    runInNewContext(code, { db: { getSiblingDB }, passwordPrompt: () => PASSWORD });
  }
  // Documents of another context are foreign to the driver; and each user gets roles of its own.
  const text = JSON.stringify(commands).replace(/"migration(\w+)"/g, `"${user}$1"`);
  const parsed: typeof commands = JSON.parse(text);
  for (const { db, command } of parsed) {
    await admin.db(db).command(command);
  }
}

function uriOf({ uri }: ReplicaSet, user: string): string {
  return uri.replace('root:root@', `${user}:${encodeURIComponent(PASSWORD)}@`);
}

function startWorker(env: Record<string, string>) {
  const spawn = () =>
    execa(process.execPath, ['--import', TSX, WORKER], {
      cwd: folder,
      reject: false,
      extendEnv: false,
      env: {
        PATH: process.env['PATH'] ?? '',
        TMPDIR: join(folder, 'tmp'),
        TEMPORAL_CONFIG_FILE: join(folder, 'temporal.toml'),
        WORKER_HOST: 'privileges',
        CSM_DUMP_FOLDER: join(folder, 'dumps'),
        CSM_LOG_LEVEL: 'debug',
        ...env,
      },
    });
  let all = '';
  let current = '';
  const listen = (child: ReturnType<typeof spawn>) => {
    current = '';
    const add = (chunk: Buffer) => {
      current += chunk.toString();
      all += chunk.toString();
    };
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    return child;
  };
  let child = listen(spawn());
  const stop = async () => {
    child.kill('SIGTERM');
    await child;
  };
  return {
    /** Waits until it has written this since its last start. */
    async said(text: string) {
      while (!current.includes(text)) {
        if (child.exitCode !== null) throw new Error(`it ended without saying "${text}":\n${all}`);
        await sleep(50);
      }
    },
    async restart() {
      await stop();
      child = listen(spawn());
    },
    stop,
  };
}

let starts = 0;

type Handle = WorkflowHandle<(input: unknown) => Promise<MigrationStatus>>;

function start(input: object): Promise<Handle> {
  return client.workflow.start<(input: unknown) => Promise<MigrationStatus>>('migrateCollection', {
    taskQueue: TASK_QUEUE,
    workflowId: `migrate:${(starts += 1)}`,
    args: [{ namespace: 'shop.orders', ...input }],
  });
}

async function reach(handle: Handle, phase: MigrationStatus['phase']): Promise<void> {
  for (;;) {
    const status: MigrationStatus = await handle.query('status');
    if (status.phase === phase) return;
    if (['failed', 'aborted', 'completed'].includes(status.phase)) {
      throw new Error(`it is ${status.phase}: ${status.problem?.what ?? 'no problem'}`);
    }
    await sleep(200);
  }
}

async function failureOf(handle: Handle): Promise<ApplicationFailure> {
  const error: unknown = await handle.result().catch((reason: unknown) => reason);
  if (!(error instanceof WorkflowFailedError)) throw new Error(`it did not fail: ${String(error)}`);
  const cause = error.cause instanceof ActivityFailure ? error.cause.cause : error.cause;
  if (!(cause instanceof ApplicationFailure)) throw error;
  return cause;
}

/** One that takes the marker, which has no `number`. */
async function setValidator(): Promise<void> {
  await from
    .db('shop')
    .command({ collMod: 'orders', validator: { number: { $not: { $type: 'int' } } } });
}

/** Changes indexes and options while a migration runs, as far as its target's user may follow. */
async function reshape(withCollMod: boolean): Promise<void> {
  const orders = from.db('shop').collection('orders');
  await orders.createIndex({ text: 1 }, { name: 'hidden', hidden: true });
  await orders.createIndex({ round: 1 }, { name: 'unique', unique: true, sparse: true });
  await orders.dropIndex('unique');
  await from.db('shop').command({ collMod: 'orders', index: { name: 'number_1', hidden: true } });
  if (!withCollMod) return;
  await from
    .db('shop')
    .command({ collMod: 'orders', changeStreamPreAndPostImages: { enabled: true } });
}

/** Updates, inserts and deletes at the source until it is stopped. */
function startWriter() {
  const orders = from.db('shop').collection<Order>('orders');
  const end = new AbortController();
  let written = 0;
  const run = (async () => {
    for (let round = 0; !end.signal.aborted; round += 1) {
      await orders.insertOne({ _id: `new ${round}`, number: `new ${round}`, seenAt: new Date() });
      await orders.updateOne({ _id: (round * 37) % DOCUMENTS }, { $set: { round } });
      await orders.deleteOne({ _id: (round * 101) % DOCUMENTS });
      written += 3;
      await sleep(2);
    }
  })();
  const stop = async () => {
    end.abort();
    await run;
  };
  return { written: () => written, stop, [Symbol.asyncDispose]: stop };
}

async function expectEqual(): Promise<void> {
  expect(await hashOf(to)).toEqual(await hashOf(from));
  const [wanted, made] = await Promise.all([
    readCatalogue(from.db('shop'), 'orders'),
    readCatalogue(to.db('shop'), 'orders'),
  ]);
  if (!wanted || !made) throw new Error('a collection is missing');
  expect(compareCatalogues(wanted, made)).toEqual([]);
  const names = await to.db('shop').listCollections({}, { nameOnly: true }).toArray();
  expect(names.map(({ name }) => name)).toEqual(['orders']);
}

async function hashOf(server: MongoClient): Promise<unknown> {
  const reply = await server.db('shop').command({ dbHash: 1, collections: ['orders'] });
  return reply['collections'];
}
