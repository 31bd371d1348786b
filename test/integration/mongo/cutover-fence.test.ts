import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
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
import {
  convertUnique,
  enforceFinal,
  type FinalContext,
  relaxFinal,
} from '../../../src/mongo/final-form.js';
import { type FinalPlan, planFinal } from '../../../src/mongo/final-plan.js';
import { loadForms } from '../../../src/mongo/index-twins.js';
import { createIndexes, hasFlag } from '../../../src/mongo/indexes.js';
import { removeControl } from '../../../src/mongo/control-collection.js';
import { controlOf, holdIndexBuilds, must, TestMongo } from '../../helpers/data-path.js';
import { traits } from '../../helpers/fake-activities.js';

const NAME = 'orders';

let mongo: TestMongo;
let client: MongoClient;
let control: Control;
let source: Catalogue;
let plan: FinalPlan;

beforeAll(async () => {
  mongo = await TestMongo.start('cutoverfence', ['--setParameter', 'enableTestCommands=1']);
  client = mongo.client;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** A target that is complete but for what the cutover brings into force. */
beforeEach(async () => {
  const [from, target] = [client.db('source'), client.db('target')];
  await Promise.all([from.dropDatabase(), target.dropDatabase()]);
  await from.createCollection(NAME, { validator: { a: { $exists: true } } });
  await from.collection(NAME).createIndex({ a: 1 }, { unique: true });
  await from.collection(NAME).createIndex({ at: 1 }, { expireAfterSeconds: 1_000_000 });
  source = must(await readCatalogue(from, NAME));
  await createLike(target, NAME, source, { preImages: true });
  await createIndexes(target, NAME, loadForms(source));
  control = controlOf(target, NAME);
  await control.claim();
  plan = planFinal(source, traits.features);
});

/** An attempt of the cutover, which holds the migration until the next one does. */
async function attempt(): Promise<FinalContext> {
  const { replay } = must(await control.hold(new Date()));
  const check = () => control.check('replay', replay.epoch);
  return { db: client.db('target'), collection: NAME, source, check };
}

const now = async () => must(await readCatalogue(client.db('target'), NAME));

describe('an attempt of the cutover that has a successor', () => {
  it('brings nothing into force', async () => {
    const old = await attempt();
    await attempt();
    const before = await now();
    await expect(enforceFinal(old, plan)).rejects.toMatchObject({ type: 'Fenced' });
    expect(compareCatalogues(before, await now())).toEqual([]);
  });

  it('takes nothing away from a target that the successor has opened', async () => {
    const old = await attempt();
    await enforceFinal(await attempt(), plan);
    const opened = await now();
    await expect(relaxFinal(old, plan)).rejects.toMatchObject({ type: 'Fenced' });
    expect(compareCatalogues(opened, await now())).toEqual([]);
    expect(opened.options.has('validator')).toBe(true);
  });

  it('nor when the migration is over', async () => {
    const old = await attempt();
    await enforceFinal(await attempt(), plan);
    const opened = await now();
    await removeControl(client.db('target'), control.id, control.runId);
    await expect(relaxFinal(old, plan)).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    expect(compareCatalogues(opened, await now())).toEqual([]);
  });

  it('is told from the one that has the epoch, which may do and undo it all', async () => {
    const before = await now();
    const current = await attempt();
    await enforceFinal(current, plan);
    expect(compareCatalogues(before, await now())).not.toEqual([]);
    await relaxFinal(current, plan);
    expect((await now()).options.has('validator')).toBe(false);
  });
});

it('waits for a build that an attempt before it has begun', async () => {
  const target = client.db('target');
  const step = { kind: 'rebuild', index: 'at_1' } as const;
  const onlyThat = { beforeOpening: [step], afterOpening: [], warnings: [] };
  await target.collection(NAME).dropIndex('at_1');
  await target.collection(NAME).insertOne({ a: 1, at: new Date() });
  const held = await holdIndexBuilds(client);
  const build = target.collection(NAME).createIndex({ at: 1 }, { expireAfterSeconds: 1_000_000 });
  let enforced: Promise<string>;
  try {
    await expect.poll(() => readBuilding(target, NAME)).toEqual(new Set(['at_1']));
    enforced = enforceFinal(await attempt(), onlyThat).then(() => 'done');
    expect(await Promise.race([enforced, sleep(1_000, 'still waiting')])).toBe('still waiting');
  } finally {
    await held.off();
  }
  await build;
  expect(await enforced).toBe('done');
});

it('makes one index unique, and says of another why it cannot, once the target is open', async () => {
  const target = client.db('target');
  await client.db('source').collection(NAME).createIndex({ b: 1 }, { unique: true });
  source = must(await readCatalogue(client.db('source'), NAME));
  await createIndexes(target, NAME, loadForms(source));
  plan = planFinal(source, traits.features);
  const context = await attempt();
  await enforceFinal(context, plan);
  await target.collection(NAME).dropIndex('a_1');
  await target.collection(NAME).createIndex({ a: 1 }, { name: 'mine', unique: true });
  await expect(convertUnique(context, plan)).rejects.toMatchObject({
    type: 'CutoverRefused',
    message: expect.stringMatching(/the index "a_1" as it is at the source \(.*mine/) as unknown,
  });
  const unique = (await now()).indexes.filter((spec) => hasFlag(spec, 'unique')).map(indexName);
  expect(unique.toSorted()).toEqual(['b_1', 'mine']);
});
