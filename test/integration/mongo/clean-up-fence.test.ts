import type { Db } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dropMigrationState } from '../../../src/activities/leftovers.js';
import { createBuffer } from '../../../src/mongo/buffer.js';
import { Control } from '../../../src/mongo/control.js';
import type { ControlDocument } from '../../../src/mongo/control-document.js';
import { bufferName, CONTROL_COLLECTION, stagingName } from '../../../src/names.js';
import { must, TestMongo } from '../../helpers/data-path.js';

const NAME = 'orders';

let mongo: TestMongo;
let db: Db;

beforeAll(async () => {
  mongo = await TestMongo.start('cleanup');
  db = mongo.client.db('target');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** A run with its control document, buffer and half a copy. */
async function begin(runId: string, stagingTag: string): Promise<ControlDocument> {
  const control = new Control(db, {
    workflowId: 'migrate:source:shop.orders',
    runId,
    source: 'source',
    namespace: `shop.${NAME}`,
    targetNamespace: `target.${NAME}`,
    stagingTag,
  });
  await control.claim();
  await control.set({ bufferUuid: await createBuffer(db, NAME) });
  await db.collection(bufferName(NAME)).insertOne({ of: runId });
  await db.collection(stagingName(NAME, 0, stagingTag)).insertOne({ of: runId });
  return must(await control.takeEpoch('replay'));
}

/** Everything that is there, with what it holds. */
async function everything(): Promise<Record<string, unknown>> {
  const names = (await db.listCollections().toArray()).map(({ name }) => name).toSorted();
  const contents = names.map(async (name) => {
    const documents = await db.collection(name).find().sort({ _id: 1 }).toArray();
    return [name, documents] as const;
  });
  return Object.fromEntries(await Promise.all(contents));
}

it('a clean-up that comes late takes nothing of the next migration of the same collection', async () => {
  const first = await begin('run-1', '11111111');
  await dropMigrationState(db, NAME, first);
  expect(await everything()).toEqual({});

  const second = await begin('run-2', '22222222');
  const before = await everything();
  expect(Object.keys(before)).toEqual([
    CONTROL_COLLECTION,
    stagingName(NAME, 0, '22222222'),
    bufferName(NAME),
  ]);
  await dropMigrationState(db, NAME, first);
  expect(await everything()).toEqual(before);

  // What the first one's mongorestore may still write is its own, and goes with it.
  await db.collection(stagingName(NAME, 0, '11111111')).insertOne({ of: 'run-1' });
  await dropMigrationState(db, NAME, first);
  expect(await everything()).toEqual(before);
  await dropMigrationState(db, NAME, second);
  expect(await everything()).toEqual({});
});
