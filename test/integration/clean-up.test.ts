import { MockActivityEnvironment } from '@temporalio/testing';
import { type Db, UUID } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../embedded/index.js';
import { cleanUp, type CleanedUp, type CleanUpOptions } from '../../src/activities/clean-up.js';
import type { ActivityDependencies } from '../../src/activities/context.js';
import { Connections } from '../../src/connections.js';
import type { Migration } from '../../src/migration.js';
import { createBuffer } from '../../src/mongo/buffer.js';
import { readUuid } from '../../src/mongo/catalogue.js';
import { Control } from '../../src/mongo/control.js';
import { removeControl } from '../../src/mongo/control-collection.js';
import { CopyPlan } from '../../src/mongo/copy-plan.js';
import { MARKER_FIELD } from '../../src/mongo/marker.js';
import { bufferName, CONTROL_COLLECTION, stagingName } from '../../src/names.js';
import { Secret } from '../../src/secret.js';
import { type Any, must, TestMongo, unfenced } from '../helpers/data-path.js';
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
let source: Db;
let target: Db;
let control: Control;
let migration: Migration;

beforeAll(async () => {
  mongo = await TestMongo.start('clean-up');
  source = mongo.client.db('source');
  target = mongo.client.db('target');
});

beforeEach(async () => {
  await Promise.all([source.dropDatabase(), target.dropDatabase()]);
  migration = migrationOf('stream');
  control = await claim('run-1', TAG);
  await control.set({ bufferUuid: await createBuffer(target, NAME) });
  await new CopyPlan(target, control).save([{ index: 0 }], unfenced);
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

function migrationOf(token: 'stream' | 'marker'): Migration {
  const namespaces = { namespace: `source.${NAME}`, targetNamespace: FINAL };
  const options = { ...identity.options, ...namespaces, token };
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

async function run(
  options: CleanUpOptions = KEEPING,
  { uri = mongo.server.uri, attempt = 1 } = {},
): Promise<CleanedUp> {
  const uris = [
    ['source', new Secret(uri)],
    ['target', new Secret(mongo.server.uri)],
  ] as const;
  const connections = Connections.from({ uris: new Map(uris) });
  const deps = takenAs<ActivityDependencies>({ connections, dumpFolder: '/nonexistent' });
  try {
    return await new MockActivityEnvironment({ attempt }).run(() =>
      cleanUp(deps, migration, options),
    );
  } finally {
    await connections.close();
  }
}

async function names(): Promise<string[]> {
  const found = await target.listCollections({}, { nameOnly: true }).toArray();
  return found.map(({ name }) => name).toSorted();
}

async function gone(patience = 200): Promise<string> {
  return `mongodb://127.0.0.1:${await freePort()}/?serverSelectionTimeoutMS=${patience}`;
}

describe('a source that is switched off', () => {
  beforeEach(() => {
    migration = migrationOf('marker');
  });

  it('does not keep a migration from its end', async () => {
    await control.fixStart({ _data: '82' });
    await finish();
    expect(await run(KEEPING, { uri: await gone() })).toMatchObject({ left: [FINAL] });
    expect(await names()).toEqual([NAME]);
  });

  it('is not waited for as long as its connection string says', async () => {
    await control.fixStart({ _data: '82' });
    const begun = Date.now();
    expect(await run(KEEPING, { uri: await gone(600_000) })).toMatchObject({ left: [] });
    expect(Date.now() - begun).toBeLessThan(60_000);
  });

  it('is asked some times for the marker that an attempt may have left, with the target clean', async () => {
    const uri = await gone();
    await expect(run(KEEPING, { uri, attempt: 1 })).rejects.toThrow(/ECONNREFUSED/);
    expect(await names()).toEqual([]);
    const { left } = await run(KEEPING, { uri, attempt: 5 });
    expect(left).toEqual([expect.stringContaining(`_id: -1) in source.${NAME} at the source`)]);
  });
});

it.each([true, false])('a marker that is left goes, the position fixed: %s', async (isFixed) => {
  migration = migrationOf('marker');
  if (isFixed) await control.fixStart({ _data: '82' });
  const orders = source.collection<Any>(NAME);
  await orders.insertMany([{ _id: -1, [MARKER_FIELD]: 'w' }, { _id: 1 }]);
  expect(await run()).toMatchObject({ left: [] });
  expect(await orders.find().toArray()).toEqual([{ _id: 1 }]);
});

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
