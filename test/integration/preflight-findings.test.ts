import { BSON, ChangeStream, type Db, Long, MongoClient, UUID } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { startReplicaSet } from '../../embedded/index.js';
import { readCatalogue } from '../../src/mongo/catalogue.js';
import { fields } from '../../src/mongo/raw.js';
import { parseMigrateCollection } from '../../src/options.js';
import {
  preflight,
  type PreflightContext,
  type PreflightReport,
} from '../../src/preflight/index.js';
import { failCommand } from '../faults/fail-command.js';
import { must } from '../helpers/data-path.js';

/** What preflight finds only where something is odd or broken, which is brought about here. */

vi.mock('../../src/mongo/catalogue.js', { spy: true });

let server: Awaited<ReturnType<typeof startReplicaSet>>;
let source: MongoClient;
let target: MongoClient;
let from: Db;

beforeAll(async () => {
  const args = ['--setParameter', 'enableTestCommands=1'];
  server = await startReplicaSet({ name: 'odd', args });
  source = await MongoClient.connect(server.uri);
  target = await MongoClient.connect(server.uri, { appName: 'target' });
  from = source.db('shop');
});

afterAll(async () => {
  await Promise.all([source?.close(), target?.close()]);
  await server?.stop();
});

beforeEach(async () => {
  await from.dropDatabase();
  await from.createCollection('orders');
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function contextOf(input: Record<string, unknown> = {}): PreflightContext {
  const parsed = parseMigrateCollection({
    source: 'source',
    target: 'target',
    namespace: 'shop.orders',
    targetNamespace: 'moved.orders',
    copy: 'direct',
    ...input,
  });
  if ('error' in parsed) throw new Error(parsed.error);
  return {
    source,
    target,
    options: parsed.value,
    self: { workflowId: 'migrate:source:shop.orders', runId: 'this' },
    isRunning: async () => false,
    dumpFolder: '/dumps',
  };
}

const check = (input?: Record<string, unknown>): Promise<PreflightReport> =>
  preflight(contextOf(input));

it.each([
  [-120, 's behind'],
  [120, 's ahead of'],
])('a clock that differs by %s s, at both sides', async (seconds, told) => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - seconds * 1000 });
  const { errors, warnings, source: seen } = await check();
  expect(errors).toEqual([]);
  expect(warnings.map(({ code }) => code).toSorted()).toEqual([
    'sourceClockSkew',
    'targetClockSkew',
  ]);
  for (const { message } of warnings) expect(message).toContain(told);
  // The worker's clock stands still meanwhile.
  expect(must(seen).clockSkewSeconds).toBeCloseTo(seconds, -1);
});

it('nothing of a clock that differs by some seconds', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30_000 });
  expect(await check()).toMatchObject({ errors: [], warnings: [] });
});

it('fields of Queryable Encryption', async () => {
  const keyId = new UUID();
  const queries = { queryType: 'equality', contention: Long.fromNumber(4) };
  await from.command({
    create: 'patients',
    encryptedFields: { fields: [{ path: 'ssn', bsonType: 'string', keyId, queries }] },
  });
  const { errors } = await check({ namespace: 'shop.patients' });
  expect(errors.map(({ code }) => code)).toEqual(['sourceEncrypted']);
  expect(errors[0]?.message).toContain('shop.patients');
});

it('an index that no server of today builds', async () => {
  // Servers that built such ones are gone, and those of today upgrade from them.
  const catalogue = must(await readCatalogue(from, 'orders'));
  const old = fields(BSON.serialize({ v: 1, key: { old: true }, name: 'old_true' }));
  vi.mocked(readCatalogue).mockResolvedValueOnce({
    ...catalogue,
    indexes: [...catalogue.indexes, old],
  });
  const { errors } = await check();
  expect(errors.map(({ code }) => code)).toEqual(['sourceIndex']);
  expect(errors[0]?.message).toMatch(/"old_true" of shop\.orders.*true for "old".*drop it/s);
});

it('a change stream without resume tokens', async () => {
  vi.spyOn(ChangeStream.prototype, 'resumeToken', 'get').mockReturnValue(undefined);
  const { errors } = await check();
  expect(errors.map(({ code }) => code)).toEqual(['sourceNoToken']);
});

it('a target that refuses what its privileges allow', async () => {
  const data = { failCommands: ['listCollections'], errorCode: 13, appName: 'target' };
  const refused = await failCommand(source, 'alwaysOn', data);
  try {
    const { errors } = await check();
    expect(errors.map(({ code }) => code)).toEqual(['targetRefused']);
    expect(errors[0]?.message).toContain('the target lacks the privilege find on moved');
  } finally {
    await refused.off();
  }
});

it('a marker that would make a capped collection drop a document', async () => {
  await from.createCollection('log', { capped: true, size: 4_096 });
  const { errors } = await check({ namespace: 'shop.log', token: 'marker' });
  expect(errors.map(({ code }) => code)).toEqual(['markerCapped']);
  expect(errors[0]?.message).toMatch(/shop\.log is a capped collection.*use token "stream"/);
  expect((await check({ namespace: 'shop.log' })).errors).toEqual([]);
});
