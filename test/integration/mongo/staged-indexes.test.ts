import { BSON, type Db, type Document } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decode, indexName, readIndexes } from '../../../src/mongo/catalogue.js';
import { fields } from '../../../src/mongo/raw.js';
import { stageIndexes } from '../../../src/mongo/staged-indexes.js';
import { TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let db: Db;

beforeAll(async () => {
  mongo = await TestMongo.start('staged');
  db = mongo.client.db('shop');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const specsOf = (indexes: readonly Document[]) =>
  indexes.map((index) => fields(BSON.serialize(index)));

async function keysOf(collection: string): Promise<Document> {
  const indexes = await readIndexes(db, collection);
  return Object.fromEntries(indexes.map((spec) => [indexName(spec), decode(spec.get('key'))]));
}

const kept = { name: 'kept', key: { k: 1 } };

it.each<[string, Document, Document]>([
  ['another key under its name', { key: { a: 1 } }, { key: { b: 1 } }],
  ['another filter', { key: { a: 1 } }, { key: { a: 1 }, partialFilterExpression: { b: 1 } }],
  ['another collation', { key: { a: 1 } }, { key: { a: 1 }, collation: { locale: 'de' } }],
])(
  'builds what the source has by now, of an attempt before it that has %s',
  async (what, before, after) => {
    const name = `staged ${what}`;
    await db.collection(name).insertOne({ a: 1 });
    await stageIndexes(db, name, specsOf([kept, { name: 'x', ...before }]));
    const specs = specsOf([kept, { name: 'x', ...after }]);
    await stageIndexes(db, name, specs);
    expect(await keysOf(name)).toEqual({ _id_: { _id: 1 }, kept: { k: 1 }, x: after['key'] });
    await stageIndexes(db, name, specs);
  },
);

it('builds one under another name', async () => {
  await db.collection('renamed').insertOne({ a: 1 });
  await stageIndexes(db, 'renamed', specsOf([kept, { name: 'x', key: { a: 1 } }]));
  await stageIndexes(db, 'renamed', specsOf([kept, { name: 'y', key: { a: 1 } }]));
  expect(await keysOf('renamed')).toEqual({ _id_: { _id: 1 }, kept: { k: 1 }, y: { a: 1 } });
});

it('builds one of another version, which the server takes for the one that is there', async () => {
  const index = { name: 'x', key: { g: '2dsphere' } };
  const stage = (version: number) =>
    stageIndexes(db, 'versions', specsOf([kept, { ...index, '2dsphereIndexVersion': version }]));
  await stage(2);
  await stage(3);
  const [, , found] = await readIndexes(db, 'versions');
  expect(decode(found?.get('2dsphereIndexVersion'))).toBe(3);
});
