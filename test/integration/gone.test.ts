import { setImmediate } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Collection, Db } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../embedded/index.js';
import type { ActivityDependencies } from '../../src/activities/context.js';
import { captureToken } from '../../src/activities/capture-token.js';
import { convertIndexes } from '../../src/activities/convert-indexes.js';
import { Connections } from '../../src/connections.js';
import type { Migration } from '../../src/migration.js';
import { checkBuffer } from '../../src/mongo/buffer.js';
import { readUuid } from '../../src/mongo/catalogue.js';
import { readWritesAfter } from '../../src/mongo/late-writes.js';
import { replayRanges } from '../../src/mongo/replay-loop.js';
import { bufferName } from '../../src/names.js';
import { Secret } from '../../src/secret.js';
import { DataPath, must, TestMongo } from '../helpers/data-path.js';
import { traits } from '../helpers/fake-activities.js';
import { claimFor, identity } from '../helpers/migration.js';
import { takenAs } from '../helpers/taken-as.js';

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('gone');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** Of a worker that knows two servers: the source of this connection string, and the target. */
function dependencies(sourceUri: string) {
  const uris = [
    ['source', sourceUri],
    ['target', mongo.server.uri],
  ] as const;
  const connections = Connections.from({
    uris: new Map(uris.map(([alias, uri]) => [alias, new Secret(uri)])),
  });
  return { connections, deps: takenAs<ActivityDependencies>({ connections }) };
}

describe('a buffer that somebody has dropped', () => {
  it('is no empty one: to its replay, and to whoever takes over', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.follow();
    await using session = mongo.client.startSession({ causalConsistency: false });
    const taken = must(await path.control.takeEpoch('replay'));
    let times = 0;
    const loop = replayRanges({
      ...path.replayTarget(taken),
      session,
      start: taken.replay,
      onProgress: () => undefined,
      idle: async () => {
        times += 1;
        if (times > 1) throw new Error('the replay goes on without the changes');
        await path.orders.insertOne({ _id: 1 });
        await path.capture();
        await path.target.collection(bufferName(path.name)).drop();
      },
    });
    await expect(loop).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    const { bufferUuid } = await path.control.read();
    const check = () => checkBuffer(path.target, path.name, bufferUuid);
    await expect(check()).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    await path.target.createCollection(bufferName(path.name));
    await expect(check()).rejects.toMatchObject({ type: 'ControlDocumentLost' });
  });
});

describe('a source collection that is gone', () => {
  it('has had the writes that its stream tells of, and no more are waited for', async () => {
    const path = await DataPath.begin(mongo.client);
    const time = await path.now();
    await path.orders.insertOne({ _id: 1 });
    await path.source.collection(path.name).rename(`${path.name}-renamed`);
    await path.source.collection('others').insertOne({});
    const ids: string[] = [];
    let turns = 0;
    const turning = setInterval(() => {
      turns += 1;
    });
    await readWritesAfter({
      db: path.source,
      collection: path.name,
      time,
      signal: new AbortController().signal,
      onWrite: ({ key }) => {
        ids.push(key);
      },
    });
    await setImmediate();
    clearInterval(turning);
    expect(ids).toHaveLength(1);
    // It has let others have their turn meanwhile.
    expect(turns).toBeGreaterThan(0);
  });

  it('is not followed in the form of one that has been made anew since it was looked at', async () => {
    const from = mongo.client.db('from-anew');
    await from.createCollection('orders');
    const sourceUuid = must(await readUuid(from, 'orders')).toHexString();
    const options = { ...identity.options, namespace: 'from-anew.orders' };
    const migration: Migration = { ...identity, options, traits: { ...traits, sourceUuid } };
    const { connections, deps } = dependencies(mongo.server.uri);
    const begin = () => new MockActivityEnvironment().run(() => captureToken(deps, migration));
    try {
      await expect(begin()).resolves.toMatchObject({ buffer: 'shop.cdc.orders' });
      await from.dropCollection('orders');
      await from.createCollection('orders', { capped: true, size: 4096 });
      await expect(begin()).rejects.toMatchObject({ type: 'ChangeStreamEnded' });
    } finally {
      await connections.close();
    }
  });
});

describe('unique indexes of a target that is open', () => {
  const NAME = 'orders';
  let target: Db;
  let orders: Collection;

  /** A migration that has been cut over, whose source is of this connection string. */
  async function convert(
    sourceUri: string,
    attempt: number,
    { isOver = false, unbuilt = [] as readonly string[] } = {},
  ) {
    target = mongo.client.db('shop');
    await target.dropDatabase();
    orders = target.collection(NAME);
    const prepared = ['a', 'b'].map((name) => ({ key: { [name]: 1 }, name, prepareUnique: true }));
    await target.command({ createIndexes: NAME, indexes: prepared });
    const options = { ...identity.options, namespace: `from.${NAME}` };
    const migration: Migration = { ...identity, options, traits };
    const control = await claimFor(target, migration);
    await control.set({ prepared: ['a', 'dropped since'], unbuilt });
    if (isOver) await target.collection('cdc').drop();
    const { connections, deps } = dependencies(sourceUri);
    const environment = new MockActivityEnvironment({ attempt });
    try {
      return await environment.run(() => convertIndexes(deps, migration));
    } finally {
      await connections.close();
    }
  }

  const gone = async () =>
    `mongodb://127.0.0.1:${await freePort()}/?serverSelectionTimeoutMS=200&connectTimeoutMS=200`;

  it('are tried for again while the source may come back', async () => {
    await expect(convert(await gone(), 1)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('are left alone by what comes when the migration has been cleaned up', async () => {
    await mongo.client
      .db('from')
      .collection(NAME)
      .createIndex({ a: 1 }, { name: 'a', unique: true });
    const late = convert(mongo.server.uri, 1, { isOver: true });
    await expect(late).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    expect((await orders.indexes()).map(({ unique = false }) => unique)).not.toContain(true);
    // It is what an attempt that is not late does.
    await convert(mongo.server.uri, 1);
    expect((await orders.indexes()).map(({ unique = false }) => unique)).toContain(true);
  });

  it('become unique although the source is switched off for good', async () => {
    expect(await convert(await gone(), 5)).toBeUndefined();
    const indexes = await orders.indexes();
    expect(indexes.map(({ name, unique = false }) => [name, unique])).toEqual([
      ['_id_', false],
      ['a', true],
      ['b', false],
    ]);
  });

  it('say which of their key could not be built any more', async () => {
    const late = convert(await gone(), 5, { unbuilt: ['a_plain', 'b'] });
    await expect(late).rejects.toThrow(/one: a_plain; build them there/);
    expect((await orders.indexes()).map(({ unique = false }) => unique)).toContain(true);
  });
});
