import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { readCatalogue } from '../../../src/mongo/catalogue.js';
import { dropOwn } from '../../../src/mongo/drop-own.js';
import { must, TestMongo } from '../../helpers/data-path.js';

const NAME = 'orders';

let mongo: TestMongo;
let db: Db;

beforeAll(async () => {
  mongo = await TestMongo.start('dropown');
  db = mongo.client.db('target');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await db.dropDatabase();
  await db.createCollection(NAME);
});

const uuidNow = async () => (await readCatalogue(db, NAME))?.uuid;

it('drops what is its own, and once more without an error', async () => {
  const uuid = must(await uuidNow());
  expect(await dropOwn(db, NAME, uuid)).toBe('dropped');
  expect(await uuidNow()).toBeUndefined();
  expect(await dropOwn(db, NAME, uuid)).toBe('dropped');
});

it('leaves what another migration has made under the same name', async () => {
  const uuid = must(await uuidNow());
  await db.dropCollection(NAME);
  await db.createCollection(NAME);
  const other = must(await uuidNow());
  expect(await dropOwn(db, NAME, uuid)).toBe('another');
  expect(await uuidNow()).toEqual(other);
});

it('drops whatever it is where nothing is known', async () => {
  expect(await dropOwn(db, NAME, undefined)).toBe('dropped');
  expect(await uuidNow()).toBeUndefined();
});
