import { setTimeout as sleep } from 'node:timers/promises';
import type { Db, Document } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Catalogue,
  indexName,
  readBuilding,
  readCatalogue,
} from '../../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../../src/mongo/catalogue-difference.js';
import type { Control } from '../../../src/mongo/control.js';
import { createLike } from '../../../src/mongo/create-like.js';
import { convertUnique, enforceFinal } from '../../../src/mongo/final-form.js';
import { finalFeatures, planFinal } from '../../../src/mongo/final-plan.js';
import { loadForms } from '../../../src/mongo/index-twins.js';
import { createIndexes } from '../../../src/mongo/indexes.js';
import { ShapeFollower } from '../../../src/mongo/shape-follower.js';
import { deferred } from '../../helpers/deferred.js';
import { controlOf, must, TestMongo } from '../../helpers/data-path.js';

const NAME = 'orders';

let mongo: TestMongo;
let source: Db;
let target: Db;
let control: Control;

beforeAll(async () => {
  mongo = await TestMongo.start('shape');
  source = mongo.client.db('source');
  target = mongo.client.db('target');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await Promise.all([source.dropDatabase(), target.dropDatabase()]);
  control = controlOf(target, NAME);
  await control.claim();
});

async function catalogueOf(db: Db): Promise<Catalogue> {
  return must(await readCatalogue(db, NAME));
}

/** Creates the source with these options and indexes, and the target as the copy leaves it. */
async function copied(options: Document = {}, indexes: Document[] = []): Promise<void> {
  await source.command({ create: NAME, ...options });
  if (indexes.length > 0) await source.command({ createIndexes: NAME, indexes });
  const catalogue = await catalogueOf(source);
  await createLike(target, NAME, catalogue, { preImages: true });
  await createIndexes(target, NAME, loadForms(catalogue));
}

async function follow(
  features = { collMod: true, preImages: true },
  by: Control = control,
): Promise<ShapeFollower> {
  const taken = must(await control.takeEpoch('shape'));
  return new ShapeFollower({
    source,
    sourceCollection: NAME,
    target,
    targetCollection: NAME,
    control: by,
    epoch: must(taken.shape).epoch,
    features,
    signal: new AbortController().signal,
    sourceUuid: taken.shape?.sourceUuid,
  });
}

/** The control document as seen by a process that stands still before or after an announcement. */
function announcing(still: { before?: Promise<void>; after?: Promise<void> }): Control {
  const slow = controlOf(target, NAME);
  const advance = slow.advance.bind(slow);
  slow.advance = async (role, epoch, set, increments) => {
    const isAnnouncement = Boolean(set['change']);
    if (isAnnouncement) await still.before;
    const document = await advance(role, epoch, set, increments);
    if (isAnnouncement) await still.after;
    return document;
  };
  return slow;
}

/** Follows until nothing is left. */
async function settle(follower: ShapeFollower): Promise<void> {
  for (let round = 0; round < 100; round += 1) {
    if ((await follower.round()).length === 0) return;
    await sleep(50);
  }
  throw new Error(`it never ends: ${JSON.stringify(await follower.round())}`);
}

async function create(...indexes: Document[]): Promise<void> {
  await source.command({ createIndexes: NAME, indexes });
}

async function namesAt(db: Db): Promise<string[]> {
  return (await catalogueOf(db)).indexes.map(indexName);
}

/** Brings into force what is held back, as a cutover does, and expects no difference. */
async function expectEqual(): Promise<void> {
  const catalogue = await catalogueOf(source);
  const plan = planFinal(catalogue, finalFeatures('6.0.5', true));
  const context = { db: target, collection: NAME, source: catalogue };
  await enforceFinal(context, plan);
  await convertUnique(context, plan);
  expect(compareCatalogues(catalogue, await catalogueOf(target))).toEqual([]);
}

describe('a change at the source arrives at the target', () => {
  const indexes = [
    { key: { a: 1 }, name: 'a' },
    { key: { u: 1 }, name: 'u', unique: true },
    { key: { t: 1 }, name: 't', expireAfterSeconds: 60 },
  ];
  const collMod = (change: Document) => source.command({ collMod: NAME, ...change });
  const changes: [string, () => Promise<unknown>][] = [
    ['a new index', () => create({ key: { n: 1, '2': 'hashed' }, name: 'n', sparse: true })],
    ['a new unique index', () => create({ key: { n: 1 }, name: 'n', unique: true })],
    ['a new TTL index', () => create({ key: { n: 1 }, name: 'n', expireAfterSeconds: 5 })],
    ['a new text index', () => create({ key: { n: 'text' }, name: 'n', default_language: 'none' })],
    ['a unique twin of an index', () => create({ key: { a: 1 }, name: 'twin', unique: true })],
    ['a dropped index', () => source.command({ dropIndexes: NAME, index: 'u' })],
    ['all indexes dropped', () => source.command({ dropIndexes: NAME, index: '*' })],
    ['an index hidden', () => collMod({ index: { name: 'u', hidden: true } })],
    ['an expiry changed', () => collMod({ index: { name: 't', expireAfterSeconds: 7 } })],
    ['an expiry added', () => collMod({ index: { name: 'a', expireAfterSeconds: 7 } })],
    ['a validator', () => collMod({ validator: { a: 1 }, validationLevel: 'moderate' })],
    ['pre-images', () => collMod({ changeStreamPreAndPostImages: { enabled: true } })],
    [
      'an index dropped and created again with another option',
      async () => {
        await source.command({ dropIndexes: NAME, index: 'a' });
        await create({ key: { a: 1 }, name: 'a', partialFilterExpression: { a: { $gt: 1 } } });
      },
    ],
  ];

  it.each(changes)('%s', async (_what, change) => {
    await copied({}, indexes);
    const follower = await follow();
    expect(await follower.round()).toEqual([]);
    await change();
    await settle(follower);
    const held = (await catalogueOf(target)).indexes.flatMap((spec) => [...spec.keys()]);
    expect(held).not.toContain('unique');
    expect(held).not.toContain('expireAfterSeconds');
    await expectEqual();
  });

  it.each([
    ['an index shown', { index: { name: 'h', hidden: false } }, {}],
    ['a validator taken away', { validator: {} }, { validator: { a: 1 } }],
    ['a larger capped collection', { cappedSize: 100_000 }, { capped: true, size: 4096 }],
    ['a smaller one', { cappedSize: 4096 }, { capped: true, size: 100_000 }],
    ['a limit on documents', { cappedMax: 7 }, { capped: true, size: 4096 }],
    ['its end', { cappedMax: 0 }, { capped: true, size: 4096, max: 7 }],
    [
      'pre-images off',
      { changeStreamPreAndPostImages: { enabled: false } },
      { changeStreamPreAndPostImages: { enabled: true } },
    ],
  ])('%s', async (_what, change, options) => {
    await copied(options, [{ key: { h: 1 }, name: 'h', hidden: true }]);
    await collMod(change);
    await settle(await follow());
    await expectEqual();
  });

  it.each([
    ['2dsphere', '2dsphereIndexVersion'],
    ['text', 'textIndexVersion'],
  ])('another version of a %s index, which servers take for the same', async (kind, version) => {
    const index = { key: { g: kind }, name: 'g' };
    await copied({}, [{ ...index, [version]: 2 }]);
    const follower = await follow();
    expect(await follower.round()).toEqual([]);
    await source.command({ dropIndexes: NAME, index: 'g' });
    await create({ ...index, [version]: 3 });
    await settle(follower);
    await expectEqual();
  });

  it('the expiry of a clustered collection, changed and taken away', async () => {
    const clusteredIndex = { key: { _id: 1 }, unique: true };
    await copied({ clusteredIndex, expireAfterSeconds: 60 });
    await collMod({ expireAfterSeconds: 90 });
    await settle(await follow());
    await expectEqual();
    // As after a cutover that was given up.
    await collMod({ expireAfterSeconds: 'off' });
    await settle(await follow());
    await expectEqual();
  });

  it('by a build where no collMod is to be run', async () => {
    await copied({}, indexes);
    await collMod({ index: { name: 'a', hidden: true } });
    await settle(await follow({ collMod: false, preImages: true }));
    await expectEqual();
  });
});

it('leaves an index alone that the target only writes in other words', async () => {
  await copied();
  const common = { key: { a: 1 }, name: 'a' };
  const filter = (...conditions: Document[]) => ({ partialFilterExpression: { $and: conditions } });
  await create({ ...common, ...filter({ a: 1 }, { b: 2 }) });
  const indexes = [{ ...common, ...filter({ b: 2 }, { a: 1 }) }];
  await target.command({ createIndexes: NAME, indexes });
  expect(compareCatalogues(await catalogueOf(source), await catalogueOf(target))).toHaveLength(1);
  expect(await (await follow()).round()).toEqual([]);
});

describe('an index that the target refuses', () => {
  const parallel = { key: { x: 1, y: 1 }, name: 'xy' };

  it('is named with the reason, hinders no other, and is built once nothing is in its way', async () => {
    await copied();
    await target
      .collection<{ _id: number; x: number[]; y: number[] }>(NAME)
      .insertOne({ _id: 1, x: [1, 2], y: [1, 2] });
    await create(parallel, { key: { z: 1 }, name: 'z' });
    const follower = await follow();
    await follower.round();
    await expect.poll(() => namesAt(target), { timeout: 10_000 }).toContain('z');
    await expect
      .poll(() => follower.round(), { timeout: 10_000 })
      .toEqual([{ what: 'index "xy"', problem: expect.stringContaining('parallel arrays') }]);
    await target.collection<{ _id: number }>(NAME).deleteOne({ _id: 1 });
    await settle(follower);
    await expectEqual();
  });

  it('is named too when it has become another under its name', async () => {
    await using older = await TestMongo.start('older');
    await older.client.db('admin').command({ setFeatureCompatibilityVersion: '5.0' });
    const usual = target;
    target = older.client.db('target');
    try {
      control = controlOf(target, NAME);
      await control.claim();
      const index = { key: { a: 1 }, name: 'a' };
      await copied({}, [{ ...index, partialFilterExpression: { a: { $gt: 1 } } }]);
      await source.command({ dropIndexes: NAME, index: 'a' });
      await create({ ...index, partialFilterExpression: { a: { $in: [1, 2] } } });
      const follower = await follow();
      await expect
        .poll(() => follower.round(), { timeout: 10_000 })
        .toEqual([{ what: 'index "a"', problem: expect.stringContaining('$in') }]);
      expect(await namesAt(target)).toEqual(['_id_']);
    } finally {
      target = usual;
    }
  });

  it('is forgotten when the source has dropped it', async () => {
    await copied();
    await target
      .collection<{ _id: number; x: number[]; y: number[] }>(NAME)
      .insertOne({ _id: 1, x: [1, 2], y: [1, 2] });
    await create(parallel);
    const follower = await follow();
    await expect
      .poll(async () => (await follower.round())[0]?.problem, { timeout: 10_000 })
      .toBeDefined();
    await source.command({ dropIndexes: NAME, index: 'xy' });
    expect(await follower.round()).toEqual([]);
  });
});

describe('an index that takes its time to build', () => {
  beforeEach(async () => {
    await copied();
    for (let part = 0; part < 6; part += 1) {
      const documents = Array.from({ length: 40_000 }, (_, at) => ({ t: `word${at} `.repeat(9) }));
      await target.collection(NAME).insertMany(documents);
    }
    await create({ key: { t: 'text' }, name: 't' });
  });

  it('is given up when the source drops it', async () => {
    const follower = await follow();
    expect(await follower.round()).toEqual([{ what: 'index "t"' }]);
    await expect.poll(() => readBuilding(target, NAME)).toEqual(new Set(['t']));
    expect(await follower.round()).toEqual([{ what: 'index "t"' }]);
    await source.command({ dropIndexes: NAME, index: 't' });
    await settle(follower);
    expect(await readBuilding(target, NAME)).toEqual(new Set());
    expect(await namesAt(target)).toEqual(['_id_']);
  });

  it('is joined by the next attempt', async () => {
    await (await follow()).round();
    await expect.poll(() => readBuilding(target, NAME)).toEqual(new Set(['t']));
    const next = await follow();
    expect(await next.round()).toEqual([{ what: 'index "t"' }]);
    await settle(next);
    await expectEqual();
  });
});

describe('a follower that has a successor', () => {
  it('does nothing more', async () => {
    await copied();
    const old = await follow();
    await old.round();
    await follow();
    await create({ key: { a: 1 }, name: 'a' });
    await expect(old.round()).rejects.toThrow('a newer attempt of shape has taken over');
    expect(await namesAt(target)).toEqual(['_id_']);
  });

  it('does nothing while the cutover holds, and none begins during a statement that takes away', async () => {
    await copied({}, [{ key: { a: 1 }, name: 'a' }]);
    const follower = await follow();
    const { shape } = await control.read();
    const change = { what: 'index "b"', at: new Date() };
    await control.advance('shape', must(shape).epoch, { change });
    expect(await control.hold(new Date())).toBeUndefined();
    expect((await control.read()).holder).toBeUndefined();
    await control.advance('shape', must(shape).epoch, { change: null });
    const held = must(await control.hold(new Date()));
    await source.command({ dropIndexes: NAME, index: 'a' });
    await expect(follower.round()).rejects.toMatchObject({ type: 'Fenced' });
    expect(await control.takeEpoch('shape')).toBeUndefined();
    expect(await namesAt(target)).toContain('a');
    await control.release(held.replay.epoch);
    await settle(await follow());
    expect(await namesAt(target)).toEqual(['_id_']);
  });

  it('that stood still before it announced a drop does not send it any more', async () => {
    await copied({}, [{ key: { a: 1 }, name: 'a' }]);
    const gate = deferred();
    const slow = await follow(undefined, announcing({ before: gate.promise }));
    await slow.round();
    await source.command({ dropIndexes: NAME, index: 'a' });
    const round = slow.round();
    const refused = expect(round).rejects.toMatchObject({ type: 'Fenced' });
    await sleep(300);
    expect(must(await control.hold(new Date())).holder).toBe('cutover');
    gate.resolve();
    await refused;
    expect(await namesAt(target)).toContain('a');
  });

  it('that stood still after it announced a drop keeps a cutover from beginning', async () => {
    await copied({}, [{ key: { a: 1 }, name: 'a' }]);
    const gate = deferred();
    const slow = await follow(undefined, announcing({ after: gate.promise }));
    await slow.round();
    await source.command({ dropIndexes: NAME, index: 'a' });
    const round = slow.round();
    await expect.poll(async () => (await control.read()).shape?.change?.what).toBe('index "a"');
    expect(await control.hold(new Date())).toBeUndefined();
    expect(await namesAt(target)).toContain('a');
    gate.resolve();
    await round;
    expect(await namesAt(target)).toEqual(['_id_']);
    expect(must(await control.hold(new Date())).holder).toBe('cutover');
  });

  it('is waited for while something that it has announced may still come', async () => {
    await copied();
    const { shape } = must(await control.takeEpoch('shape'));
    const at = new Date(Date.now() - 29_000);
    await control.advance('shape', must(shape).epoch, { change: { what: 'index "a"', at } });
    const next = await follow();
    let waits = 0;
    await next.settle(() => (waits += 1));
    expect(waits).toBeGreaterThan(0);
    expect((await control.read()).shape?.change).toBeNull();
    expect(must(await control.hold(new Date())).holder).toBe('cutover');
  });
});

it('takes no other collection that has the name of the source for it', async () => {
  await copied({}, [{ key: { a: 1 }, name: 'a' }]);
  expect(await (await follow()).round()).toEqual([]);
  await source.dropCollection(NAME);
  const follower = await follow();
  expect(await follower.round()).toEqual([]);
  await source.createCollection(NAME);
  expect(await follower.round()).toEqual([
    { what: 'collection', problem: expect.stringContaining('another collection') },
  ]);
  expect(await namesAt(target)).toContain('a');
});
