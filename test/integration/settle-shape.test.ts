import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CollectionCutover } from '../../src/activities/collection-cutover.js';
import type { Opened } from '../../src/activities/context.js';
import { convertIndexes } from '../../src/activities/convert-indexes.js';
import { dryRun } from '../../src/activities/dry-run.js';
import { findShapeBlockers, settleShape } from '../../src/activities/settle-shape.js';
import type { Migration } from '../../src/migration.js';
import {
  type Catalogue,
  indexName,
  readBuilding,
  readCatalogue,
} from '../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../src/mongo/catalogue-difference.js';
import { createLike } from '../../src/mongo/create-like.js';
import { enforceFinal } from '../../src/mongo/final-form.js';
import { planFinal } from '../../src/mongo/final-plan.js';
import { loadForms } from '../../src/mongo/index-twins.js';
import { createIndexes, hasFlag } from '../../src/mongo/indexes.js';
import { runActivity } from '../helpers/activity-run.js';
import { controlOf, holdIndexBuilds, must, TestMongo } from '../helpers/data-path.js';
import { traits } from '../helpers/fake-activities.js';
import { identity } from '../helpers/migration.js';
import { openedOf } from '../helpers/opened.js';

const NAME = 'orders';
const migration: Migration = { ...identity, traits, followsShape: true };
/** The same as `opened` is of. */
const whole: Migration = {
  ...migration,
  workflowId: `migrate:source:source.${NAME}`,
  options: { ...identity.options, namespace: `source.${NAME}`, targetNamespace: `target.${NAME}` },
};
const pulse = { touch: () => undefined, signal: new AbortController().signal };

const check = async (): Promise<void> => undefined;

let mongo: TestMongo;
let source: Db;
let target: Db;
let opened: Opened;

beforeAll(async () => {
  mongo = await TestMongo.start('settle', ['--setParameter', 'enableTestCommands=1']);
  source = mongo.client.db('source');
  target = mongo.client.db('target');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await Promise.all([source.dropDatabase(), target.dropDatabase()]);
  const control = controlOf(target, NAME);
  await control.claim();
  await source.collection(NAME).createIndexes([
    { key: { a: 1 }, name: 'a' },
    { key: { b: 1 }, name: 'b' },
  ]);
  const catalogue = await catalogueOf(source);
  await createLike(target, NAME, catalogue, { preImages: true });
  await createIndexes(target, NAME, loadForms(catalogue));
  opened = openedOf(source, control, 'unused');
});

async function catalogueOf(db: Db): Promise<Catalogue> {
  return must(await readCatalogue(db, NAME));
}

describe('a cutover', () => {
  it('does itself what is quick, and brings into force what the source has after its fence', async () => {
    const before = await catalogueOf(source);
    await source.collection(NAME).dropIndex('a');
    await source.command({ collMod: NAME, index: { name: 'b', hidden: true } });
    await source.command({ collMod: NAME, validator: { a: 1 } });
    await source.command({ collMod: NAME, changeStreamPreAndPostImages: { enabled: true } });
    expect(await findShapeBlockers(opened, migration, pulse)).toEqual([]);
    const settled = await settleShape(opened, migration, before, pulse, check);
    if ('refused' in settled) throw new Error(JSON.stringify(settled.refused));
    expect(settled.features).toEqual(traits.features);
    expect(compareCatalogues(settled.source, await catalogueOf(target))).toEqual([
      expect.objectContaining({ what: 'option validator' }),
    ]);
  });

  it('refuses to build an index, before it holds anything and after', async () => {
    const before = await catalogueOf(source);
    await source.collection(NAME).dropIndex('a');
    await source.collection(NAME).createIndex({ c: 1 }, { name: 'c' });
    const refused = [{ code: 'shape', message: expect.stringContaining('yet: index "c"') }];
    expect(await findShapeBlockers(opened, migration, pulse)).toEqual(refused);
    expect(await settleShape(opened, migration, before, pulse, check)).toEqual({ refused });
    // It has not begun with the rest.
    const names = (await target.collection(NAME).indexes()).map(({ name }) => name);
    expect(names).toEqual(['_id_', 'a', 'b']);
  });

  it('waits for the follower, and says why the target refuses without waiting', async () => {
    await source.collection(NAME).createIndex({ c: 1 }, { name: 'c' });
    const building = setTimeout(
      () => void target.collection(NAME).createIndex({ c: 1 }, { name: 'c' }),
      500,
    );
    expect(await findShapeBlockers(opened, migration, pulse)).toEqual([]);
    clearTimeout(building);
    await source.collection(NAME).createIndex({ d: 1 }, { name: 'd' });
    const { shape } = must(await opened.control.takeEpoch('shape'));
    const left = [{ what: 'index "d"', problem: 'there are 64 already' }];
    await opened.control.advance('shape', must(shape).epoch, { left });
    const asked = Date.now();
    expect(await findShapeBlockers(opened, migration, pulse)).toEqual([
      { code: 'shape', message: expect.stringContaining('index "d" (there are 64 already)') },
    ]);
    expect(Date.now() - asked).toBeLessThan(2_000);
  });

  it('is refused before it holds anything for an option that the target has refused', async () => {
    await source.command({ collMod: NAME, changeStreamPreAndPostImages: { enabled: true } });
    expect(await findShapeBlockers(opened, migration, pulse)).toEqual([]);
    const { shape } = must(await opened.control.takeEpoch('shape'));
    const left = [{ what: 'option "changeStreamPreAndPostImages"', problem: 'unknown field' }];
    await opened.control.advance('shape', must(shape).epoch, { left });
    const message = expect.stringContaining('Images" (unknown field)') as unknown;
    expect(await findShapeBlockers(opened, migration, pulse)).toEqual([{ code: 'shape', message }]);
  });

  it('is refused at once where somebody has dropped its target, and a dry run says so', async () => {
    const { uuid } = await catalogueOf(target);
    await opened.control.set({ stagingUuid: must(uuid) });
    await target.collection(NAME).drop();
    const refused = {
      code: 'target',
      message: expect.stringMatching(/target\.orders .*has dropped it.*"restart"/) as unknown,
    };
    await runActivity(mongo.server.uri, async (deps) => {
      await using cutover = new CollectionCutover({ deps, migration: whole, force: [], pulse });
      expect(await cutover.look()).toEqual([refused]);
      expect(await dryRun(deps, whole, ['lag'])).toEqual([refused]);
    });
    await expect(
      settleShape(opened, migration, await catalogueOf(source), pulse, check),
    ).rejects.toThrow('send "restart"');
  });

  it('waits for what the source builds itself as unique: it may turn out not to be', async () => {
    await target.collection(NAME).createIndex({ c: 1 }, { name: 'c' });
    await source.collection(NAME).insertOne({ c: 1 });
    const held = await holdIndexBuilds(mongo.client);
    const building = source.collection(NAME).createIndex({ c: 1 }, { name: 'c', unique: true });
    try {
      await expect.poll(() => readBuilding(source, NAME)).toEqual(new Set(['c']));
      expect(await findShapeBlockers(opened, migration, pulse)).toEqual([
        {
          code: 'shape',
          message: expect.stringContaining('index "c" (unique, and still being built'),
        },
      ]);
    } finally {
      await held.off();
    }
    await building;
    expect(await findShapeBlockers(opened, migration, pulse)).toEqual([]);
  });

  it('of a migration that began before shapes were followed goes on as it did', async () => {
    const before = await catalogueOf(source);
    await source.collection(NAME).createIndex({ c: 1 }, { name: 'c' });
    const old = { ...identity, traits };
    expect(await findShapeBlockers(opened, old, pulse)).toEqual([]);
    expect(await settleShape(opened, old, before, pulse, check)).toEqual({
      source: before,
      features: traits.features,
    });
  });

  it('that has a successor does nothing more', async () => {
    const before = await catalogueOf(source);
    await source.collection(NAME).dropIndex('a');
    const { replay } = must(await opened.control.hold(new Date()));
    await opened.control.hold(new Date());
    const late = () => opened.control.check('replay', replay.epoch);
    await expect(settleShape(opened, migration, before, pulse, late)).rejects.toMatchObject({
      type: 'Fenced',
    });
    expect(await target.collection(NAME).indexes()).toHaveLength(3);
  });

  it('takes no other collection of the same name for its source', async () => {
    const before = await catalogueOf(source);
    await source.dropCollection(NAME);
    await source.createCollection(NAME);
    await expect(settleShape(opened, migration, before, pulse, check)).rejects.toThrow(
      'another collection has the name',
    );
    expect(await target.collection(NAME).indexes()).toHaveLength(3);
  });
});

describe('once the target is open', () => {
  it('what was unique at the fence becomes so, although the source has dropped it since', async () => {
    await source.collection(NAME).createIndex({ a: 1 }, { name: 'u', unique: true });
    const before = await catalogueOf(source);
    await target.dropCollection(NAME);
    await createLike(target, NAME, before, { preImages: true });
    await createIndexes(target, NAME, loadForms(before));
    const context = { db: target, collection: NAME, source: before };
    await enforceFinal(context, planFinal(before, traits.features));
    // As the report of a cutover has it: "a" has the key of "u", and is built when that is unique.
    await opened.control.set({ prepared: ['u'], unbuilt: ['a'] });
    await source.collection(NAME).dropIndex('u');
    const report = await runActivity(mongo.server.uri, (deps) => convertIndexes(deps, whole));
    expect(report?.differences).toEqual([expect.stringMatching(/^index "u": source none/)]);
    const { indexes } = await catalogueOf(target);
    expect(indexes.map((spec) => [indexName(spec), hasFlag(spec, 'unique')])).toEqual([
      ['_id_', false],
      ['b', false],
      ['u', true],
      ['a', false],
    ]);
  });
});
