import { MockActivityEnvironment } from '@temporalio/testing';
import { type Db, UUID } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cleanUp, type CleanedUp, type CleanUpOptions } from '../../src/activities/clean-up.js';
import type { ActivityDependencies } from '../../src/activities/context.js';
import type { Migration } from '../../src/migration.js';
import { createBuffer } from '../../src/mongo/buffer.js';
import { readUuid } from '../../src/mongo/catalogue.js';
import { Control } from '../../src/mongo/control.js';
import { removeControl } from '../../src/mongo/control-collection.js';
import { CopyPlan } from '../../src/mongo/copy-plan.js';
import { bufferName, CONTROL_COLLECTION, stagingName } from '../../src/names.js';
import { type Any, must, TestMongo } from '../helpers/data-path.js';
import { traits } from '../helpers/fake-activities.js';
import { identity } from '../helpers/migration.js';
import { takenAs } from '../helpers/taken-as.js';

const NAME = 'orders';
const TAG = '11111111';
const STAGING = stagingName(NAME, 0, TAG);
const BUFFER = bufferName(NAME);
const FINAL = `target.${NAME}`;
const KEEPING: CleanUpOptions = { keepBuffer: false, dropTarget: false };

let mongo: TestMongo;
let target: Db;
let control: Control;
let migration: Migration;

beforeAll(async () => {
  mongo = await TestMongo.start('clean-up');
  target = mongo.client.db('target');
});

beforeEach(async () => {
  await target.dropDatabase();
  migration = migrationOf();
  control = await claim('run-1', TAG);
  await control.set({ bufferUuid: await createBuffer(target, NAME) });
  await new CopyPlan(target, control).save([{ index: 0 }]);
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

function migrationOf(): Migration {
  const namespaces = { namespace: `source.${NAME}`, targetNamespace: FINAL };
  const options = { ...identity.options, ...namespaces };
  return { ...identity, options, traits: { ...traits, stagingTag: TAG } };
}

async function claim(runId: string, stagingTag: string): Promise<Control> {
  const { options } = migration;
  const claimed = new Control(target, { workflowId: 'w', runId, stagingTag, ...options });
  await claimed.claim();
  return claimed;
}

/** The copy gets its name. */
async function finish(): Promise<void> {
  await target.createCollection(NAME);
  await control.set({ stagingUuid: await readUuid(target, NAME), renamed: true });
}

async function run(options: CleanUpOptions = KEEPING): Promise<CleanedUp> {
  const connections = takenAs<ActivityDependencies['connections']>({
    get: () => mongo.client,
    require: () => undefined,
  });
  const deps = takenAs<ActivityDependencies>({ connections, dumpFolder: '/nonexistent' });
  return new MockActivityEnvironment().run(() => cleanUp(deps, migration, options));
}

async function names(): Promise<string[]> {
  const found = await target.listCollections({}, { nameOnly: true }).toArray();
  return found.map(({ name }) => name).toSorted();
}

describe('without its control document', () => {
  it('it names what is there, and removes what is known to be its own', async () => {
    await target.createCollection(STAGING);
    const others = stagingName(NAME, 0, '22222222');
    await target.createCollection(others);
    await target.createCollection(NAME);
    await target.collection<Any>(CONTROL_COLLECTION).deleteOne({ _id: NAME });
    expect(await run({ ...KEEPING, dropTarget: true })).toEqual({
      removed: [],
      left: [`target.${BUFFER}`, FINAL],
    });
    expect(await names()).toEqual([others, BUFFER, NAME].toSorted());
  });

  it('a second attempt says the same as the first, whose answer was lost', async () => {
    await finish();
    expect((await run()).left).toEqual([FINAL]);
    expect((await run()).left).toEqual([FINAL]);
    expect(await names()).toEqual([NAME]);
  });

  it('nothing of another migration is called left, or touched', async () => {
    await removeControl(target, NAME, 'run-1');
    await claim('run-2', '22222222');
    await target.createCollection(stagingName(NAME, 0, '22222222'));
    const before = await names();
    expect(await run()).toEqual({ removed: [], left: [] });
    expect(await names()).toEqual(before);
  });
});

describe('a copy that got its name from an attempt that died before it said so', () => {
  beforeEach(async () => {
    await finish();
    await target
      .collection(CONTROL_COLLECTION)
      .updateOne({ runId: 'run-1', kind: { $exists: true } }, { $unset: { renamed: '' } });
  });

  it('is left', async () => {
    expect(await run()).toMatchObject({ left: [FINAL] });
  });

  it('is dropped when told', async () => {
    expect(await run({ ...KEEPING, dropTarget: true })).toMatchObject({ left: [] });
    expect(await names()).toEqual([]);
  });

  it('is not one that somebody else has put there', async () => {
    await control.set({ stagingUuid: new UUID() });
    expect(await run({ ...KEEPING, dropTarget: true })).toMatchObject({ left: [] });
    expect(await names()).toEqual([NAME]);
  });
});

it('what is kept is the buffer, and no copy without its name', async () => {
  await finish();
  await control.set({ round: 1 });
  for (const round of [0, 1]) await target.createCollection(stagingName(NAME, round, TAG));
  expect(await run({ ...KEEPING, keepBuffer: true })).toEqual({
    removed: [],
    left: [FINAL, `target.${CONTROL_COLLECTION}`, `target.${BUFFER}`],
  });
  expect(await names()).toEqual([CONTROL_COLLECTION, BUFFER, NAME]);
  expect(must(await control.find()).bufferUuid).toBeDefined();
});
