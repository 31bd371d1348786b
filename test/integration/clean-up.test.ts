import { MockActivityEnvironment } from '@temporalio/testing';
import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { cleanUp, type CleanedUp, type CleanUpOptions } from '../../src/activities/clean-up.js';
import type { ActivityDependencies } from '../../src/activities/context.js';
import type { Migration } from '../../src/migration.js';
import { createBuffer } from '../../src/mongo/buffer.js';
import { readUuid } from '../../src/mongo/catalogue.js';
import { Control } from '../../src/mongo/control.js';
import { CopyPlan } from '../../src/mongo/copy-plan.js';
import { bufferName, CONTROL_COLLECTION, stagingName } from '../../src/names.js';
import { must, TestMongo } from '../helpers/data-path.js';
import { traits } from '../helpers/fake-activities.js';
import { identity } from '../helpers/migration.js';
import { takenAs } from '../helpers/taken-as.js';

const NAME = 'orders';
const TAG = '11111111';
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
