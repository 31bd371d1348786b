import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { CollectionCutover } from '../../src/activities/collection-cutover.js';
import type { Blocker, Migration } from '../../src/migration.js';
import { indexName, type IndexSpec, readCatalogue } from '../../src/mongo/catalogue.js';
import type { Control } from '../../src/mongo/control.js';
import { createLike } from '../../src/mongo/create-like.js';
import { expirySeconds } from '../../src/mongo/expiry.js';
import { loadForms } from '../../src/mongo/index-twins.js';
import { createIndexes, hasFlag } from '../../src/mongo/indexes.js';
import { readFence } from '../../src/mongo/operation-time.js';
import { failCommand, WORKER } from '../faults/fail-command.js';
import { runActivity } from '../helpers/activity-run.js';
import { must, TestMongo } from '../helpers/data-path.js';
import { traits } from '../helpers/fake-activities.js';
import { claimFor, identity } from '../helpers/migration.js';

const NAME = 'orders';
const migration: Migration = {
  ...identity,
  traits,
  followsShape: true,
  options: { ...identity.options, namespace: `from.${NAME}`, targetNamespace: `to.${NAME}` },
};
const pulse = { touch: () => undefined, signal: new AbortController().signal };
/** A primary that steps down. */
const STEPPED_DOWN = 189;

let mongo: TestMongo;
let from: Db;
let to: Db;
let control: Control;

beforeAll(async () => {
  mongo = await TestMongo.start('hold', ['--setParameter', 'enableTestCommands=1']);
  from = mongo.client.db('from');
  to = mongo.client.db('to');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** A target that is complete but for what the cutover brings into force. */
beforeEach(async () => {
  await Promise.all([from.dropDatabase(), to.dropDatabase()]);
  await from.collection(NAME).createIndexes([
    { key: { a: 1 }, name: 'a', unique: true },
    { key: { b: 1 }, name: 'b', unique: true },
  ]);
  const source = must(await readCatalogue(from, NAME));
  await createLike(to, NAME, source, { preImages: true });
  await createIndexes(to, NAME, loadForms(source));
  control = await claimFor(to, migration);
});

/** Runs stages of one attempt of a cutover. */
async function attempt<T>(
  work: (cutover: CollectionCutover) => Promise<T>,
  features = traits.features,
): Promise<T> {
  const own = { ...migration, traits: { ...traits, features } };
  return runActivity(`${mongo.server.uri}&appName=${WORKER}`, async (deps) => {
    await using cutover = new CollectionCutover({ deps, migration: own, force: [], pulse });
    return await work(cutover);
  });
}

async function enforce(cutover: CollectionCutover): Promise<readonly Blocker[]> {
  expect(await cutover.hold()).toEqual([]);
  return cutover.enforce();
}

async function inForce(): Promise<string[]> {
  const { indexes } = must(await readCatalogue(to, NAME));
  const isFinal = (spec: IndexSpec) => hasFlag(spec, 'prepareUnique') || hasFlag(spec, 'unique');
  return indexes.filter(isFinal).map(indexName);
}

/** What servers before 6.0 can: an index becomes unique by being built so. */
const ONLY_BUILDS = { ...traits.features, prepareUnique: false };

const holder = async () => (await control.read()).holder;

it('stays until the next attempt where the last steps are cut off, and takes them back then', async () => {
  const cutOff = await failCommand(
    mongo.client,
    { skip: 1 },
    { failCommands: ['collMod'], errorCode: STEPPED_DOWN },
  );
  try {
    await attempt(async (cutover) => {
      await expect(enforce(cutover)).rejects.toMatchObject({ code: STEPPED_DOWN });
      await expect(cutover.letGo()).rejects.toThrow('cut off');
    });
    expect([await holder(), await inForce()]).toEqual(['cutover', ['a']]);
  } finally {
    await cutOff.off();
  }
  const again = await failCommand(mongo.client, 'alwaysOn', {
    failCommands: ['collMod'],
    errorCode: STEPPED_DOWN,
  });
  try {
    await attempt(async (cutover) => {
      await expect(cutover.hold()).rejects.toMatchObject({ code: STEPPED_DOWN });
      await expect(cutover.letGo()).rejects.toMatchObject({ code: STEPPED_DOWN });
      await expect(cutover.letGo()).rejects.toMatchObject({ code: STEPPED_DOWN });
    });
    expect([await holder(), await inForce()]).toEqual(['cutover', ['a']]);
  } finally {
    await again.off();
  }
  await attempt(async (cutover) => {
    expect(await cutover.hold()).toEqual([]);
    expect(await inForce()).toEqual([]);
    await cutover.letGo();
  });
  expect(await holder()).toBeUndefined();
});

it('ends where the servers refuse it, with nothing in force', async () => {
  await to.collection(NAME).insertMany([1, 2].map((a) => ({ a, b: 1 })));
  await attempt(async (cutover) => {
    expect((await enforce(cutover)).map(({ code }) => code)).toEqual(['indexes']);
    expect(await inForce()).toEqual(['a']);
    await cutover.letGo();
  }, ONLY_BUILDS);
  expect([await holder(), await inForce()]).toEqual([undefined, []]);
});

it('ends where another collection is refused, with nothing in force and no fence on record', async () => {
  await attempt(async (cutover) => {
    expect(await enforce(cutover)).toEqual([]);
    expect(await inForce()).toEqual(['a', 'b']);
    const now = new Date();
    const fence = await readFence(from, NAME, pulse.signal);
    await cutover.report({ fence, fencedAt: now, openedAt: now });
    expect((await control.read()).fence).toBeDefined();
    await cutover.letGo();
  });
  expect([await holder(), await inForce()]).toEqual([undefined, []]);
  const { fence, prepared } = await control.read();
  expect([fence, prepared]).toEqual([undefined, undefined]);
});

it.each([
  ['by collMod', traits.features, 2 ** 31 - 1],
  ['by building indexes', { ...ONLY_BUILDS, ttlCollMod: false }, 2 ** 31 - 1],
  ['as a collection’s own', traits.features, undefined],
] as const)(
  'lets nothing expire at the target once it is let go, %s',
  async (how, features, left) => {
    const isClustered = how === 'as a collection’s own';
    if (isClustered) {
      const clusteredIndex = { key: { _id: 1 }, unique: true } as const;
      await Promise.all([from.dropDatabase(), to.dropDatabase()]);
      await from.createCollection(NAME, { clusteredIndex, expireAfterSeconds: 3600 });
      await createLike(to, NAME, must(await readCatalogue(from, NAME)), { preImages: true });
      control = await claimFor(to, migration);
    } else {
      await from.collection(NAME).createIndex({ at: 1 }, { name: 'at', expireAfterSeconds: 3600 });
      await createIndexes(to, NAME, loadForms(must(await readCatalogue(from, NAME))));
    }
    const seconds = async () => {
      const { indexes, options } = must(await readCatalogue(to, NAME));
      const spec = indexes.find((each) => indexName(each) === 'at');
      return expirySeconds((spec ?? options).get('expireAfterSeconds'));
    };
    expect(await seconds()).toBeUndefined();
    await attempt(async (cutover) => {
      expect(await enforce(cutover)).toEqual([]);
      expect(await seconds()).toBe(3600);
      await cutover.letGo();
    }, features);
    expect(await seconds()).toBe(left);
    await attempt(async (cutover) => {
      expect(await enforce(cutover)).toEqual([]);
      expect(await seconds()).toBe(3600);
    }, features);
    // Another attempt, after this one has died.
    await attempt(async (cutover) => {
      expect(await cutover.hold()).toEqual([]);
      expect(await seconds()).toBe(left);
    }, features);
  },
);

it('is let go by the next attempt where the source is gone, for the capture to find that out', async () => {
  await attempt(async (cutover) => {
    await cutover.hold();
  });
  expect(await holder()).toBe('cutover');
  await from.collection(NAME).drop();
  await attempt((cutover) => cutover.letGo());
  expect(await holder()).toBeUndefined();
});

it('has its fence on record only as long as nobody else holds the migration', async () => {
  await attempt(async (cutover) => {
    expect(await enforce(cutover)).toEqual([]);
    await control.hold(new Date(Date.now() + 60_000));
    const now = new Date();
    const fence = await readFence(from, NAME, pulse.signal);
    const late = cutover.report({ fence, fencedAt: now, openedAt: now });
    await expect(late).rejects.toMatchObject({ type: 'Fenced' });
    expect((await control.read()).fence).toBeUndefined();
  });
});
