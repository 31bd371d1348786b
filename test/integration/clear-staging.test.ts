import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clearStaging } from '../../src/activities/clear-staging.js';
import type { Opened } from '../../src/activities/context.js';
import { ensureStaging } from '../../src/activities/plan-copy.js';
import { readCatalogue } from '../../src/mongo/catalogue.js';
import { controlOf, must, TestMongo, unfenced } from '../helpers/data-path.js';
import { traits } from '../helpers/fake-activities.js';
import { openedOf } from '../helpers/opened.js';

const NAME = 'log';
const STAGING = 'cdc-staging.log';
const migration = { traits: { ...traits, capped: true } };
const { signal } = new AbortController();
const pulse = { touch: () => undefined, signal };

let mongo: TestMongo;
let source: Db;
let target: Db;
let opened: Opened;

beforeAll(async () => {
  mongo = await TestMongo.start('clearstaging');
  source = mongo.client.db('source');
  target = mongo.client.db('target');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** A capped collection of which a copy has begun. */
beforeEach(async () => {
  await Promise.all([source.dropDatabase(), target.dropDatabase()]);
  await source.createCollection(NAME, { capped: true, size: 65_536, collation: { locale: 'sv' } });
  const control = controlOf(target, NAME);
  await control.claim();
  opened = openedOf(source, control, STAGING);
  await ensureStaging(opened, migration, signal);
  await opened.plan.save([{ index: 0 }], unfenced);
});

const clear = async (from: Opened = opened) =>
  clearStaging(from, migration, await from.plan.take(0), pulse);

/** Staging is empty, capped as the source is, and known. */
async function expectStaging(): Promise<void> {
  const found = must(await readCatalogue(target, STAGING));
  expect(Object.fromEntries(found.options)).toMatchObject({ capped: expect.anything() });
  expect(found.options.has('collation')).toBe(true);
  expect(await target.collection(STAGING).countDocuments()).toBe(0);
  expect((await opened.control.read()).stagingUuid).toEqual(found.uuid);
}

describe('the staging collection of a capped one is capped at each attempt', () => {
  it('that finds it empty', async () => {
    await clear();
    await expectStaging();
  });

  it('that finds documents of an earlier one', async () => {
    await target.collection(STAGING).insertOne({ a: 1 });
    await clear();
    await expectStaging();
  });

  it('after one that has dropped it, and then could not read the source', async () => {
    await target.collection(STAGING).insertOne({ a: 1 });
    const gone = { ...opened, sourceCollection: 'away' };
    await expect(clear(gone)).rejects.toThrow('no longer at the source');
    expect(await readCatalogue(target, STAGING)).toBeUndefined();
    await clear();
    await expectStaging();
  });

  it('after one that died between the drop and its record', async () => {
    await target.collection(STAGING).drop();
    await clear();
    await expectStaging();
  });

  it('after one that died between the creation and its record', async () => {
    await opened.control.record({ stagingUuid: null });
    await clear();
    await expectStaging();
  });
});
