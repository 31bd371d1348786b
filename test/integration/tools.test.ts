import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import {
  Binary,
  BSONRegExp,
  Code,
  Decimal128,
  Double,
  EJSON,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from 'bson';
import { execa } from 'execa';
import { MongoClient, type Document } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { obtainMongoTools, startReplicaSet } from '../../embedded/index.js';
import {
  dumpPartition,
  findTools,
  isDocumentsRefused,
  restorePartition,
  ToolError,
  type DumpOptions,
  type RestoreOptions,
  type Tools,
} from '../../src/tools/index.js';

const user = 'mover';
const password = 'p@ss:w/o rd%"\'\\';
const spellings = [password, encodeURIComponent(password)];

let server: Awaited<ReturnType<typeof startReplicaSet>>;
let client: MongoClient;
let tools: Tools;
let folder = '';
let file = '';

beforeAll(async () => {
  const { mongodump, mongorestore } = await obtainMongoTools();
  tools = await findTools({ MONGODUMP_BIN: mongodump, MONGORESTORE_BIN: mongorestore });
  server = await startReplicaSet({ name: 'tools', auth: { user, password } });
  client = await new MongoClient(server.uri, { promoteValues: false }).connect();
}, 300_000);

afterAll(async () => {
  await client?.close();
  await server?.stop();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tools-test-'));
  file = join(folder, 'partition');
  // So that a test sees what is left there.
  vi.stubEnv('TMPDIR', await mkdtemp(join(folder, 'tmp-')));
  await client.db('from').dropDatabase();
  await client.db('to').dropDatabase();
});

afterEach(async () => {
  const temporary = process.env['TMPDIR'] ?? '';
  vi.unstubAllEnvs();
  const left = await readdir(temporary);
  left.push(...(await readdir(folder)).filter((name) => name.startsWith('private-')));
  await rm(folder, { recursive: true });
  expect(left).toEqual([]);
});

function dump(changes: Partial<DumpOptions> = {}): ReturnType<typeof dumpPartition> {
  return dumpPartition({
    binary: tools.mongodump,
    uri: server.uri,
    database: 'from',
    collection: 'things',
    file,
    gzip: false,
    signal: new AbortController().signal,
    ...changes,
  });
}

function restore(changes: Partial<RestoreOptions> = {}): ReturnType<typeof restorePartition> {
  return restorePartition({
    binary: tools.mongorestore,
    uri: server.uri,
    database: 'to',
    collection: 'things',
    file,
    gzip: false,
    insertionWorkers: 2,
    signal: new AbortController().signal,
    ...changes,
  });
}

async function insert(documents: readonly Document[], collection = 'things'): Promise<void> {
  await client
    .db('from')
    .collection(collection)
    .insertMany([...documents]);
}

const numbered = (count: number, filler = ''): Document[] =>
  Array.from({ length: count }, (_, index) => ({ _id: new Int32(index), filler }));

const literal = (id: number): Document => ({ $literal: new Int32(id) });

/** Process ids of the dumps that run, without their watchers, whose arguments begin with the shell. */
const pids = async (): Promise<readonly number[]> => {
  const { stdout } = await execa('ps', ['axww', '-o', 'pid=,args=']);
  const ours = stdout.split('\n').filter((line) => line.includes(` ${tools.mongodump} --config`));
  return ours.filter((line) => !line.includes('/bin/sh')).map((line) => Number.parseInt(line, 10));
};

/** Every document's bytes in `_id` order, as one hash. */
async function bytesOf(database: string, collection: string): Promise<string> {
  const hash = createHash('sha256');
  const cursor = client.db(database).collection(collection).find({}, { raw: true });
  for await (const document of cursor.sort({ _id: 1 })) {
    hash.update(document instanceof Uint8Array ? document : '');
  }
  return hash.digest('hex');
}

const failureOf = (run: Promise<unknown>): Promise<ToolError> =>
  run.then(
    () => expect.fail('the tool succeeded'),
    (error: unknown) => (error instanceof ToolError ? error : expect.fail(String(error))),
  );

const odd: readonly Document[] = [
  { _id: new MinKey(), a: new MaxKey() },
  { _id: null, a: null },
  {
    _id: new Int32(5),
    order: new Map([
      ['10', 1],
      ['2', 2],
      ['1', 3],
    ]),
  },
  { _id: new Double(5.5), a: new Double(-0), b: new Double(Number.NaN), c: new Double(5) },
  { _id: Long.fromString('9007199254740993'), a: Long.fromInt(5) },
  { _id: Decimal128.fromString('1.10'), a: Decimal128.fromString('NaN') },
  { _id: 'text', a: 'nul\0inside', $dollar: 1, 'dot.ted': { $inner: 1 }, '': 'empty' },
  { _id: { b: 1, a: [1, [2, {}]] }, a: new BSONRegExp('^a', 'im') },
  { _id: new Binary(Buffer.from('abc'), 5), a: new Binary(Buffer.alloc(16, 7), 4) },
  { _id: new ObjectId('65a1b2c3d4e5f60718293a4b'), a: new Code('f()', { x: 1 }) },
  { _id: true, a: new Timestamp({ t: 7, i: 9 }), nested: { zero: new Timestamp({ t: 0, i: 0 }) } },
  { _id: new Date(-1), a: new Date(8.64e15) },
  { _id: 'large', a: 'x'.repeat(2_000_000) },
];

describe('round trip', () => {
  it.each([
    ['plain', false],
    ['gzip', true],
  ])('%s: every type, byte for byte', async (_, gzip) => {
    await insert(odd);
    const dumped = await dump({ gzip });
    const raw = await readFile(file);
    const bson = gzip ? gunzipSync(raw) : raw;
    expect(dumped).toEqual({
      documents: odd.length,
      bytes: bson.length,
      fileBytes: raw.length,
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toHaveLength(2);
    expect(await restore({ gzip })).toEqual({
      documents: odd.length,
      failures: 0,
      duplicates: 0,
      messages: [],
    });
    expect(await bytesOf('to', 'things')).toBe(await bytesOf('from', 'things'));
  });

  it.each([
    '--eval',
    '-x',
    'two words',
    '"quoted"',
    'a"b',
    "it's",
    'new\nline',
    '100%/../up',
    '*',
    'back\\slash',
    'ünïcödé 😀',
    'long'.repeat(60),
  ])('collection %j', async (collection) => {
    await insert(numbered(7), collection);
    for (const gzip of [false, true]) {
      expect(await dump({ collection, gzip })).toMatchObject({ documents: 7 });
      await client.db('to').dropDatabase();
      expect(await restore({ collection, gzip })).toMatchObject({ documents: 7, failures: 0 });
      const names = await client.db('to').listCollections({}, { promoteValues: true }).toArray();
      expect(names.map(({ name }) => name)).toEqual([collection]);
    }
  });

  it('an empty collection', async () => {
    await client.db('from').createCollection('things');
    for (const gzip of [false, true]) {
      expect(await dump({ gzip })).toMatchObject({ documents: 0, bytes: 0 });
      expect(await restore({ gzip })).toEqual({
        documents: 0,
        failures: 0,
        duplicates: 0,
        messages: [],
      });
    }
  });

  it('replaces a file that is there', async () => {
    await insert(numbered(3));
    await writeFile(file, 'left over');
    expect(await dump()).toMatchObject({ documents: 3 });
    await restore();
    expect(await bytesOf('to', 'things')).toBe(await bytesOf('from', 'things'));
  });

  it('one partition by its query', async () => {
    await insert([...numbered(10), { _id: 'other type' }]);
    const query = EJSON.stringify(
      {
        $expr: {
          $and: [{ $gte: ['$_id', literal(5)] }, { $lt: ['$_id', literal(8)] }],
        },
      },
      { relaxed: false },
    );
    expect(await dump({ query })).toMatchObject({ documents: 3 });
    await restore();
    const ids = await client.db('to').collection('things').distinct('_id');
    expect(ids.map(String).toSorted()).toEqual(['5', '6', '7']);
  });

  it('keeps the order of the file when asked to', async () => {
    await insert([9, 3, 7, 1].map((id) => ({ _id: new Int32(id) })));
    await dump();
    expect(await restore({ ordered: true })).toMatchObject({ documents: 4 });
    const there = await client.db('to').collection('things').find().toArray();
    expect(there.map(({ _id }) => String(_id))).toEqual(['9', '3', '7', '1']);
  });
});

describe('refused documents', () => {
  beforeEach(async () => {
    await insert(numbered(10));
    await dump();
    const taken: Document[] = [{ _id: new Int32(2) }, { _id: new Int32(4) }];
    await client.db('to').collection('things').insertMany(taken);
  });

  it('are counted and quoted, although the tool exits with 0', async () => {
    const result = await restore();
    expect(result).toMatchObject({ documents: 8, failures: 2, duplicates: 2 });
    expect(result.messages).toHaveLength(2);
    expect(result.messages[0]).toContain('E11000 duplicate key');
  });

  it('end an ordered restore', async () => {
    const error = await failureOf(restore({ ordered: true }));
    expect(isDocumentsRefused(error)).toBe(true);
    expect(error.message).toMatch(/^mongorestore of to\.things stopped at a document.*E11000/);
  });
});

describe('connection string', () => {
  it('may name a database, and the option that wins is the one given', async () => {
    await insert(numbered(2));
    const uri = server.uri.replace(/\/(\?|$)/, '/elsewhere?authSource=admin&').replace(/&$/, '');
    expect(uri).toContain('/elsewhere');
    expect(await dump({ uri })).toMatchObject({ documents: 2 });
    expect(await restore({ uri })).toMatchObject({ documents: 2 });
  });

  it('is nowhere in the arguments or the environment, and gone after', async () => {
    await insert(numbered(20_000, 'x'.repeat(500)));
    vi.stubEnv('MONGODB_URI_SOURCE', server.uri);
    const finished = new AbortController();
    const seen = new Set<string>();
    const watch = async (): Promise<void> => {
      while (!finished.signal.aborted) {
        const { stdout } = await execa('ps', ['axeww', '-o', 'args']);
        stdout
          .split('\n')
          .filter((line) => line.includes('--config='))
          .forEach((line) => seen.add(line));
      }
    };
    const watcher = watch();
    await dump();
    await restore();
    finished.abort();
    await watcher;
    expect(seen.size).toBeGreaterThan(0);
    for (const line of seen) {
      for (const spelling of spellings) expect(line).not.toContain(spelling);
    }
  });

  it('with a wrong password fails with a message that hides it', async () => {
    await insert(numbered(1));
    const wrong = 'wr0ng/secret';
    const uri = server.uri.replace(encodeURIComponent(password), encodeURIComponent(wrong));
    const existing = fileURLToPath(import.meta.url);
    for (const run of [() => dump({ uri }), () => restore({ uri, file: existing })]) {
      const error = await failureOf(run());
      expect(error.failure).toBe('authentication');
      expect(error.message).toContain('user or password is wrong');
      const all = [error.message, ...error.stderrTail].join('\n');
      expect(all).not.toContain(wrong);
      expect(all).not.toContain(encodeURIComponent(wrong));
    }
    expect(existsSync(file)).toBe(false);
  });
});

describe('failures', () => {
  it('a server that is not there', { timeout: 60_000 }, async () => {
    const uri = 'mongodb://u:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=500';
    const error = await failureOf(dump({ uri }));
    expect(error.failure).toBe('unreachable');
    expect([error.message, ...error.stderrTail].join('\n')).not.toContain('s3cret');
    expect(existsSync(file)).toBe(false);
  });

  it('a collection that is not there', async () => {
    expect((await failureOf(dump())).failure).toBe('noCollection');
    expect(existsSync(file)).toBe(false);
  });

  it('a user without the role', async () => {
    await insert(numbered(1));
    const admin = client.db('admin');
    await admin.command({ createUser: 'nobody', pwd: 'nothing', roles: [] });
    const uri = server.uri.replace(/\/\/[^@]*@/, '//nobody:nothing@');
    expect((await failureOf(dump({ uri }))).failure).toBe('unauthorized');
    await admin.command({ dropUser: 'nobody' });
  });

  it('a binary that is not there', async () => {
    const error = await failureOf(dump({ binary: join(folder, 'nowhere') }));
    expect(error.failure).toBe('missing');
    expect(error.message).toContain('set MONGODUMP_BIN');
  });

  it('a binary that claims success without counts', async () => {
    const binary = join(folder, 'silent');
    await writeFile(binary, '#!/bin/sh\nexit 0\n');
    await chmod(binary, 0o755);
    expect((await failureOf(dump({ binary }))).failure).toBe('incomplete');
  });

  it('a file that is cut off', async () => {
    await insert(numbered(10));
    await dump();
    await writeFile(file, (await readFile(file)).subarray(0, -5));
    const error = await failureOf(restore());
    expect(error.message).toContain('exit code 1');
  });

  it.skipIf(!existsSync('/dev/full'))('a full disk', async () => {
    await insert(numbered(10));
    const binary = join(folder, 'full');
    await writeFile(binary, `#!/bin/sh\nexec '${tools.mongodump}' "$@" > /dev/full\n`);
    await chmod(binary, 0o755);
    const error = await failureOf(dump({ binary }));
    expect(error.failure).toBe('noSpace');
    expect(error.message).toContain(folder);
  });
});

describe('ending a run', () => {
  // A query that is slow on purpose: each document keeps the server busy for 20 ms.
  const query = JSON.stringify({ $where: 'sleep(20) || true' });
  beforeEach(() => insert(numbered(5_000, 'x'.repeat(1_000))));

  it.each([false, true])('by cancellation (gzip %s)', { timeout: 30_000 }, async (gzip) => {
    const controller = new AbortController();
    const run = dump({ query, gzip, signal: controller.signal });
    const ended = expect(run).rejects.toThrow('no longer wanted');
    await vi.waitFor(async () => expect(await pids()).toHaveLength(1), { timeout: 5_000 });
    controller.abort(new Error('no longer wanted'));
    await ended;
    expect(await pids()).toEqual([]);
    expect(await readdir(folder)).toHaveLength(1);
  });

  it('by somebody else', { timeout: 30_000 }, async () => {
    const failed = failureOf(dump({ query }));
    await vi.waitFor(async () => expect(await pids()).toHaveLength(1), { timeout: 5_000 });
    for (const pid of await pids()) process.kill(pid, 'SIGKILL');
    const error = await failed;
    expect(error).toMatchObject({ failure: 'killed', signal: 'SIGKILL', exitCode: undefined });
    expect(error.message).toContain('ended by SIGKILL from outside');
    expect(existsSync(file)).toBe(false);
  });

  it('reports progress on the way', { timeout: 60_000 }, async () => {
    const controller = new AbortController();
    const counts: number[] = [];
    const run = dump({
      query,
      signal: controller.signal,
      onProgress({ documents }) {
        counts.push(documents);
        if (documents > 0) controller.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect(counts.at(-1)).toBeGreaterThan(0);
  });
});
