import { afterAll, beforeAll, expect, it } from 'vitest';
import { listNamespaces } from '../../src/mongo/namespaces.js';
import { TestMongo } from '../helpers/data-path.js';

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('names');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

it('lists what patterns match, and nothing that the server makes for itself', async () => {
  const db = mongo.client.db('shop');
  const own = ['orders', 'tmp.orders', 'template', 'systematic'];
  for (const name of [...own, 'left', 'tmp.agg_out.0a1b', 'tmp.mr.orders_1']) {
    await db.createCollection(name);
  }
  await db.createCollection('shown', { viewOn: 'orders', pipeline: [] });
  const { listed, partial } = await listNamespaces(mongo.client, {
    include: ['shop.*'],
    exclude: ['shop.left'],
  });
  expect(listed.map(({ namespace }) => namespace)).toEqual(
    [...own, 'shown'].map((name) => `shop.${name}`).toSorted(),
  );
  expect(listed.find(({ namespace }) => namespace === 'shop.shown')?.type).toBe('view');
  expect(partial).toEqual([]);
});
