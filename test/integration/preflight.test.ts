import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { MongoClient, type Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startReplicaSet } from '../../embedded/index.js';
import { CONTROL_KIND } from '../../src/mongo/control-document.js';
import { listNamespaces } from '../../src/mongo/namespaces.js';
import { parseMigrateCollection } from '../../src/options.js';
import {
  preflight,
  type PreflightContext,
  type PreflightReport,
} from '../../src/preflight/index.js';

interface Any {
  _id: unknown;
  [field: string]: unknown;
}

const root = { user: 'root', password: 'secret' };
let sourceServer: Awaited<ReturnType<typeof startReplicaSet>>;
let targetServer: Awaited<ReturnType<typeof startReplicaSet>>;
let source: MongoClient;
let target: MongoClient;
let from: Db;
let to: Db;

beforeAll(async () => {
  [sourceServer, targetServer] = await Promise.all([
    startReplicaSet({ name: 'from', auth: root }),
    startReplicaSet({ name: 'to', auth: root }),
  ]);
  source = await MongoClient.connect(sourceServer.uri);
  target = await MongoClient.connect(targetServer.uri);
  from = source.db('shop');
  to = target.db('shop');
}, 300_000);

afterAll(async () => {
  await Promise.all([source?.close(), target?.close()]);
  await Promise.all([sourceServer?.stop(), targetServer?.stop()]);
});

beforeEach(async () => {
  await Promise.all([from.dropDatabase(), to.dropDatabase()]);
  await from.collection<Any>('orders').insertMany([
    { _id: 1, u: 1 },
    { _id: 2, u: 2 },
  ]);
});

async function check(
  input: Record<string, unknown> = {},
  context: Partial<PreflightContext> = {},
): Promise<PreflightReport> {
  const parsed = parseMigrateCollection({
    source: 'source',
    target: 'target',
    namespace: 'shop.orders',
    ...input,
  });
  if ('error' in parsed) throw new Error(parsed.error);
  return preflight({
    source,
    target,
    options: parsed.value,
    self: { workflowId: 'migrate:source:shop.orders', runId: 'this' },
    isRunning: async () => false,
    dumpFolder: '/dumps',
    ...context,
  });
}

const codes = (findings: readonly { code: string }[]) =>
  findings.map(({ code }) => code).toSorted();

/** A connection of a user with these roles in the database shop. */
async function as(
  server: { uri: string },
  client: MongoClient,
  user: string,
  roles: unknown[],
): Promise<MongoClient> {
  await client
    .db('shop')
    .command({ dropUser: user })
    .catch(() => undefined);
  await client.db('shop').command({ createUser: user, pwd: 'x', roles });
  const uri = server.uri.replace('root:secret@', `${user}:x@`);
  return MongoClient.connect(uri.replace(/authSource=\w+/, 'authSource=shop'));
}

describe('preflight', () => {
  it('finds nothing against an ordinary migration', async () => {
    await from.collection('orders').createIndex({ u: 1 }, { unique: true });
    const report = await check();
    expect(report).toMatchObject({
      errors: [],
      warnings: [],
      source: {
        version: expect.stringMatching(/^\d+\.\d+/) as unknown,
        topology: 'replicaSet',
        documents: 2,
        bytes: 2 * 21,
        averageBytes: 21,
        indexes: ['_id_', 'u_1'],
        options: [],
        oplogHours: 744,
        oplogAtLeast: true,
        featureVersion: expect.stringMatching(/^\d+\.\d+$/) as unknown,
        privileges: { find: true, changeStream: true, listIndexes: true, collStats: true },
      },
      target: {
        topology: 'replicaSet',
        features: { collMod: true, prepareUnique: true },
        privileges: { insert: true, renameCollectionSameDB: true, collMod: true },
      },
      singlePartition: false,
      natural: false,
    });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('writes nothing', async () => {
    await check();
    expect(await to.listCollections().toArray()).toEqual([]);
    expect(await from.listCollections().toArray()).toHaveLength(1);
  });

  it('does with the roles read and readWrite', async () => {
    await from.collection('orders').createIndex({ u: 1 }, { unique: true });
    await using reader = await as(sourceServer, source, 'reader', ['read']);
    await using writer = await as(targetServer, target, 'writer', ['readWrite']);
    const report = await check({}, { source: reader, target: writer });
    expect(report.errors).toEqual([]);
    expect(codes(report.warnings)).toEqual(['slowCutover']);
    expect(report.target?.features.collMod).toBe(false);
    expect(report.target?.privileges).toMatchObject({ insert: true, collMod: false });
    expect(report.source?.privileges).toMatchObject({ find: true, changeStream: true });
  });

  it('names every missing privilege at once', async () => {
    await using nobody = await as(sourceServer, source, 'nobody', []);
    await using reader = await as(targetServer, target, 'reader', ['read']);
    const report = await check({ token: 'marker' }, { source: nobody, target: reader });
    expect(codes(report.errors)).toEqual([
      'sourceFindRefused',
      'sourceListRefused',
      'sourceStreamRefused',
      'targetPrivileges',
    ]);
    expect(report.errors.at(-1)?.message).toMatch(/./);
    expect(JSON.stringify(report.errors)).toContain('insert, update, remove, createCollection');
    // Whoever grants by the message must not grant a name that is no other run's.
    expect(JSON.stringify(report.errors)).toContain('cdc-staging-<tag of the run>.orders');
  });

  it('lists what a user may see, and says of which databases that is nothing', async () => {
    await using reader = await as(sourceServer, source, 'reader', ['read']);
    const patterns = { include: ['shop.*', 'shpo.*'], exclude: [] };
    const seen = await listNamespaces(reader, patterns);
    expect(seen.listed.map(({ namespace }) => namespace)).toEqual(['shop.orders']);
    expect([...seen.hidden.keys()]).toEqual(['shpo']);
    await using nobody = await as(sourceServer, source, 'nobody', []);
    expect([...(await listNamespaces(nobody, patterns)).hidden.keys()]).toEqual(['shop', 'shpo']);
  });

  it('has the nearest name for one that is not there', async () => {
    const { errors } = await check({ namespace: 'shop.order' });
    expect(codes(errors)).toEqual(['sourceMissing']);
    expect(errors[0]?.message).toContain('(did you mean "shop.orders"?)');
    const [pattern] = (await check({ namespace: 'shop.*' })).errors;
    expect(pattern?.message).toContain('patterns are for migrateCollections');
  });

  it('takes a wrong password for a finding, and a missing server for an error', async () => {
    const wrong = new MongoClient(sourceServer.uri.replace('secret', 'wrong'));
    expect(codes((await check({}, { source: wrong })).errors)).toEqual([
      'sourceAuthenticationFailed',
    ]);
    await wrong.close();
    const gone = new MongoClient('mongodb://127.0.0.1:1/', { serverSelectionTimeoutMS: 100 });
    await expect(check({}, { target: gone })).rejects.toMatchObject({
      name: 'MongoServerSelectionError',
    });
    await gone.close();
  });
});

describe('a look with a time limit', () => {
  it('takes a side that cannot be reached for a finding, and still looks at the other', async () => {
    const gone = new MongoClient('mongodb://127.0.0.1:1/', { serverSelectionTimeoutMS: 100 });
    const report = await check({}, { target: gone, limitMs: 5_000 });
    await gone.close();
    expect(codes(report.errors)).toEqual(['targetUnreachable']);
    expect(report.errors[0]?.message).toMatch(
      /the target "target".*127\.0\.0\.1:1.*MONGODB_URI_TARGET/s,
    );
    expect(report).toMatchObject({ source: { documents: 2 } });
    expect(report).not.toHaveProperty('target');
  });

  it('does not wait for a server that takes connections and never answers', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const mute = new MongoClient(`mongodb://127.0.0.1:${port}/`, {
      serverSelectionTimeoutMS: 60_000,
    });
    const report = await check({}, { source: mute, limitMs: 3_000 });
    expect(codes(report.errors)).toEqual(['sourceUnreachable']);
    expect(report.errors[0]?.message).toContain('no answer in 3 s');
    expect(report.target).toBeDefined();
    sockets.forEach((socket) => socket.destroy());
    silent.close();
    await mute.close();
  });

  it('finds the same as one without', async () => {
    const limited = await check({}, { limitMs: 60_000 });
    const unlimited = await check();
    const timeless = (report: PreflightReport) => ({
      ...report,
      source: { ...report.source, clockSkewSeconds: 0 },
      target: { ...report.target, clockSkewSeconds: 0, freeBytes: 0 },
    });
    expect(timeless(limited)).toEqual(timeless(unlimited));
  });

  it('ends with the cancellation of the one who asks', async () => {
    const end = new AbortController();
    end.abort(new Error('enough'));
    await expect(check({}, { limitMs: 60_000, signal: end.signal })).rejects.toThrow('enough');
  });
});

describe('the source', () => {
  it.each([
    ['missing', 'sourceMissing'],
    ['shown', 'sourceView'],
    ['times', 'sourceTimeSeries'],
  ])('must not be %s', async (collection, code) => {
    await from.createCollection('shown', { viewOn: 'orders', pipeline: [] });
    await from.createCollection('times', { timeseries: { timeField: 't' } });
    expect(codes((await check({ namespace: `shop.${collection}` })).errors)).toEqual([code]);
  });

  it('is one partition when capped or clustered', async () => {
    await from.createCollection('capped', { capped: true, size: 4096 });
    await from.createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true } });
    const capped = await check({ namespace: 'shop.capped' });
    expect(capped).toMatchObject({ errors: [], singlePartition: true, natural: true });
    const clustered = await check({ namespace: 'shop.clustered' });
    expect(clustered).toMatchObject({ errors: [], singlePartition: true, natural: false });
  });

  it('must not have a document in the place of the marker', async () => {
    expect((await check({ token: 'marker' })).errors).toEqual([]);
    await from.collection<Any>('orders').insertOne({ _id: -1, changestreamMigration: 'run' });
    expect((await check({ token: 'marker' })).errors).toEqual([]);
    await from.collection('orders').deleteMany({});
    await from.collection<Any>('orders').insertOne({ _id: -1, total: 1 });
    expect(codes((await check({ token: 'marker' })).errors)).toEqual(['markerTaken']);
    expect((await check()).errors).toEqual([]);
  });

  it('must let the marker be written', async () => {
    await using reader = await as(sourceServer, source, 'reader', ['read']);
    const { errors } = await check({ token: 'marker' }, { source: reader });
    expect(codes(errors)).toEqual(['markerRefused']);
  });

  it('has what cannot be applied without collMod refused', async () => {
    await from.command({ collMod: 'orders', validator: { a: 1 } });
    expect((await check()).errors).toEqual([]);
    await using writer = await as(targetServer, target, 'writer', ['readWrite']);
    expect(codes((await check({}, { target: writer })).errors)).toEqual(['collModRefused']);
  });

  it('has a validator refused that could not be tried, as with collMod on the final name alone', async () => {
    const grant = (collection: string) => [
      { resource: { db: 'shop', collection }, actions: ['collMod'] },
    ];
    await to.command({ createRole: 'modifier', privileges: grant('orders'), roles: [] });
    try {
      const roles = ['readWrite', 'modifier'];
      await using modifier = await as(targetServer, target, 'modifier', roles);
      expect((await check({}, { target: modifier })).errors).toEqual([]);
      await from.command({ collMod: 'orders', validator: { a: 1 } });
      const { errors } = await check({}, { target: modifier });
      expect(codes(errors)).toEqual(['collModRefused']);
      expect(errors[0]?.message).toContain('staging collection');
      await to.command({ updateRole: 'modifier', privileges: grant('') });
      expect((await check({}, { target: modifier })).errors).toEqual([]);
    } finally {
      await to.command({ dropRole: 'modifier' });
    }
  });
});

describe('the target', () => {
  it('must not have the collection', async () => {
    await to.createCollection('orders');
    const [empty] = (await check()).errors;
    expect(empty).toMatchObject({ code: 'targetExists' });
    expect(empty?.message).toContain('is empty');
    const { target: seen } = await check();
    expect(seen?.existing).toEqual({ type: 'collection', documents: 0 });
    await to.collection('orders').insertMany([{}, {}, {}]);
    expect((await check()).errors[0]?.message).toContain('has 3 documents');
    expect((await check({ targetNamespace: 'shop.orders2' })).errors).toEqual([]);
  });

  it('must not be the source', async () => {
    const report = await check({}, { target: source });
    expect(codes(report.errors)).toEqual(['sameCollection']);
    const other = await check({ targetNamespace: 'shop.orders2' }, { target: source });
    expect(other.errors).toEqual([]);
  });

  it('must not hold a buffer or staging collection that nobody claims', async () => {
    await to.createCollection('cdc.orders');
    await to.createCollection('cdc-staging.orders');
    await to.createCollection('cdc-staging-1-0a1b2c3d.orders');
    await to.createCollection('cdc-staging.others');
    const { errors, warnings } = await check();
    expect(codes(errors)).toEqual(['nameTaken']);
    expect(codes(warnings)).toEqual(['stagingLeft', 'stagingLeft']);
  });

  it('must not hold foreign documents where the control documents are', async () => {
    await to.collection('cdc').insertOne({ of: 'another tool' });
    expect(codes((await check()).errors)).toEqual(['controlConflict']);
  });

  it('must not have another migration that goes on', async () => {
    const control = { _id: 'orders', kind: CONTROL_KIND, workflowId: 'other', runId: 'run' };
    await to.collection<Any>('cdc').insertOne(control);
    await to.createCollection('cdc.orders');
    const asked: string[][] = [];
    const report = await check(
      {},
      {
        isRunning: async (...ids) => {
          asked.push(ids);
          return true;
        },
      },
    );
    expect(codes(report.errors)).toEqual(['migrationExists']);
    expect(report.errors[0]?.message).toContain('other');
    expect(asked).toEqual([['other', 'run']]);

    const unknown = { isRunning: async () => undefined };
    const own = to.collection<Any>('cdc');
    await own.updateOne({ kind: CONTROL_KIND }, { $set: { capture: { at: new Date() } } });
    const elsewhere = await check({}, unknown);
    expect(codes(elsewhere.errors)).toEqual(['migrationExists']);
    expect(elsewhere.errors[0]?.message).toContain('does not know it');
    const old = new Date(Date.now() - 120_000);
    await own.updateOne({ kind: CONTROL_KIND }, { $set: { capture: { at: old } } });

    const ended = await check({}, unknown);
    expect(ended.errors).toEqual([]);
    expect(codes(ended.warnings)).toEqual(['leftover']);
    expect(ended.target?.leftover).toEqual({ workflowId: 'other', runId: 'run' });
  });

  it('may hold what this very run left', async () => {
    const self = { workflowId: 'migrate:source:shop.orders', runId: 'this' };
    await to.collection<Any>('cdc').insertOne({ _id: 'orders', kind: CONTROL_KIND, ...self });
    await to.createCollection('cdc.orders');
    await to.createCollection('orders');
    const report = await check({}, { isRunning: async () => true });
    expect(report).toMatchObject({ errors: [], warnings: [] });
  });

  it('must not have a database that differs in upper and lower case only', async () => {
    await to.createCollection('other');
    const { errors } = await check({ targetNamespace: 'Shop.orders' });
    expect(codes(errors)).toEqual(['targetDatabaseCase']);
    expect(errors[0]?.message).toContain('database shop,');
    expect((await check({ targetNamespace: 'shopping.orders' })).errors).toEqual([]);
  });

  it('must be led to its primary', async () => {
    await using pair = await startReplicaSet({ name: 'pair', members: 2 });
    const primary = await pair.primary();
    const secondary = pair.members.find((member) => member !== primary);
    const direct = (host = '') => MongoClient.connect(`mongodb://${host}/?directConnection=true`);
    await using wrong = await direct(secondary?.host);
    const { errors } = await check({}, { target: wrong });
    expect(codes(errors)).toContain('targetNotPrimary');
    expect(JSON.stringify(errors)).toContain(`${secondary?.host} alone`);
    await using right = await direct(primary.host);
    expect((await check({}, { target: right })).errors).toEqual([]);
    await using reading = await MongoClient.connect(`${pair.uri}&readPreference=secondary`);
    expect((await check({}, { target: reading })).errors).toEqual([]);
  });

  it('tells the room on its disk', async () => {
    await to.createCollection('other');
    await using writer = await as(targetServer, target, 'writer', ['readWrite']);
    for (const user of [target, writer]) {
      expect((await check({}, { target: user })).target?.freeBytes).toBeGreaterThan(0);
    }
  });

  it('must have room for the name of the staging collection', async () => {
    const namespace = `shop.${'x'.repeat(240)}`;
    await from.createCollection('x'.repeat(240));
    const { errors } = await check({ namespace });
    expect(codes(errors)).toEqual(['targetNameTooLong']);
    expect(errors[0]?.message).toContain('13 bytes shorter');
    const fitting = await check({ namespace, targetNamespace: `shop.${'x'.repeat(227)}` });
    expect(fitting.errors).toEqual([]);
    await to.createCollection(`cdc-staging-9-00000000.${'x'.repeat(227)}`);
  });
});

describe('the worker', () => {
  it('must have tools and disk for a dump, and neither for a direct copy', async () => {
    const bare = { tools: { problem: 'mongodump is not on PATH.' }, freeBytes: async () => 10 };
    const report = await check({}, bare);
    expect(codes(report.errors)).toEqual(['diskShort', 'toolsMissing']);
    expect(report.disk).toEqual({ folder: '/dumps', neededBytes: 47, freeBytes: 10 });
    const compressed = await check({ gzip: true }, { freeBytes: async () => 10 });
    expect(compressed.errors).toEqual([]);
    expect(codes(compressed.warnings)).toContain('diskShort');
    const direct = await check({ copy: 'direct' }, bare);
    expect(direct.errors).toEqual([]);
    expect(direct).not.toHaveProperty('disk');
  });
});
