import { BSON, type Db, type Document } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { toFailure } from '../../../src/failures.js';
import { collectionUuid, createBuffer } from '../../../src/mongo/buffer.js';
import { type Catalogue, readCatalogue } from '../../../src/mongo/catalogue.js';
import { createLike, type LeftOut } from '../../../src/mongo/create-like.js';
import { enforceFinal, ShapeRefusedError } from '../../../src/mongo/final-form.js';
import { finalFeatures, planFinal } from '../../../src/mongo/final-plan.js';
import { probeShape } from '../../../src/mongo/probe-shape.js';
import { fields } from '../../../src/mongo/raw.js';
import { must, TestMongo } from '../../helpers/data-path.js';

const { signal } = new AbortController();
const features = finalFeatures('6.0', true);
const images = { changeStreamPreAndPostImages: { enabled: true } };
/** What 6.0 has and 5.0 does not. */
const sorted = { $expr: { $eq: [{ $sortArray: { input: '$a', sortBy: 1 } }, '$a'] } };
const some = { a: { $in: [1, 2] } };

let mongo: TestMongo;
let db: Db;

beforeAll(async () => {
  mongo = await TestMongo.start('probe');
  db = mongo.client.db('target');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await db.dropDatabase();
});

async function runAs(version: '5.0' | '6.0'): Promise<void> {
  await mongo.client.db('admin').command({ setFeatureCompatibilityVersion: version });
}

function catalogueOf(options: Document, indexes: readonly Document[] = []): Catalogue {
  const specs = [{ key: { _id: 1 }, name: '_id_' }, ...indexes];
  return {
    name: 'orders',
    type: 'collection',
    uuid: undefined,
    options: fields(BSON.serialize(options)),
    indexes: specs.map((spec) => fields(BSON.serialize({ v: 2, ...spec }))),
  };
}

const ordinary = [
  { key: { u: 1 }, name: 'unique', unique: true },
  { key: { u: 1 }, name: 'twin' },
  { key: { e: 1 }, name: 'ttl', expireAfterSeconds: 60 },
  { key: { t: 'text' }, name: 'text', weights: { t: 1 } },
];

async function probe(source: Catalogue, onRebuild: (index: string) => void = () => undefined) {
  const there = { db, collection: 'orders', source, features };
  const refused = await probeShape({ ...there, signal, onRebuild });
  // Nothing of it stays.
  const found = must(await readCatalogue(db, 'orders'));
  expect(found.indexes).toHaveLength(1);
  expect(found.options.has('validator')).toBe(false);
  return refused;
}

describe('a server that takes everything', () => {
  beforeAll(() => runAs('6.0'));

  it.each([
    {},
    {
      clusteredIndex: { v: 2, key: { _id: 1 }, name: '_id_', unique: true },
      expireAfterSeconds: 60,
    },
  ])('refuses nothing of %o', async (options) => {
    const partial = { key: { p: 1 }, name: 'p', partialFilterExpression: some, unique: true };
    const source = catalogueOf({ ...options, validator: sorted }, [...ordinary, partial]);
    await createLike(db, 'orders', source, { preImages: true });
    expect(await probe(source)).toEqual([]);
  });

  it('is tried anew after an attempt that was cut off', async () => {
    await db.createCollection('orders', { validator: { a: 1 } });
    await db.collection('orders').createIndex({ u: 1 }, { name: 'unique', unique: true });
    await db.collection('orders').createIndex({ x: 1 });
    const rebuilt = vi.fn();
    expect(await probe(catalogueOf({}, ordinary), rebuilt)).toEqual([]);
    expect(rebuilt).not.toHaveBeenCalled();
  });

  it('still has no haystacks, and options of old indexes', async () => {
    await db.createCollection('orders');
    const haystack = { key: { l: 'geoHaystack', k: 1 }, name: 'hay', bucketSize: 1 };
    expect(await probe(catalogueOf({}, [...ordinary, haystack]))).toEqual([
      { what: 'index "hay"', why: expect.stringContaining('bucketSize') },
    ]);
  });
});

describe('a server that runs as 5.0', () => {
  beforeAll(() => runAs('5.0'));

  it('is asked for all at once', async () => {
    await db.createCollection('orders');
    const source = catalogueOf({ validator: sorted, validationLevel: 'strict' }, [
      ...ordinary,
      { key: { p: 1 }, name: 'in', partialFilterExpression: some, unique: true },
      { key: { p: 1 }, name: 'or', partialFilterExpression: { $or: [{ a: 1 }, { b: 1 }] } },
    ]);
    expect(await probe(source)).toEqual([
      { what: 'index "in"', why: expect.stringContaining('$in') },
      { what: 'index "or"', why: expect.stringContaining('$or') },
      { what: 'option "validator"', why: expect.stringContaining('$sortArray') },
    ]);
  });

  it('tells which indexes it builds again, against the plan', async () => {
    await db.createCollection('orders');
    const rebuilt = new Set<string>();
    expect(await probe(catalogueOf({}, ordinary), (index) => rebuilt.add(index))).toEqual([]);
    expect([...rebuilt]).toEqual(['unique']);
  });

  it('refuses a validator at the cutover, too, by name', async () => {
    await db.createCollection('orders');
    const source = catalogueOf({ validator: sorted });
    const context = { db, collection: 'orders', source };
    const refusal = await enforceFinal(context, planFinal(source, features)).catch(
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(ShapeRefusedError);
    expect(refusal).toMatchObject({ what: 'option "validator"' });
  });

  it('goes without an option that the documents do not need', async () => {
    const left: LeftOut[] = [];
    const options = { preImages: true, onLeftOut: (one: LeftOut) => left.push(one) };
    const source = catalogueOf({ capped: true, size: 4096, ...images });
    const uuid = await createLike(db, 'orders', source, options);
    expect(left).toEqual([
      { option: 'changeStreamPreAndPostImages', why: expect.stringContaining('unknown field') },
    ]);
    const found = must(await readCatalogue(db, 'orders'));
    expect([...found.options.keys()]).toEqual(['capped', 'size']);
    // A second attempt, with the UUID and without.
    expect(await createLike(db, 'orders', source, { ...options, uuid })).toEqual(uuid);
    expect(await createLike(db, 'orders', source, options)).toEqual(uuid);
  });

  it('has pre-images by the option of before 6.0', async () => {
    const source = catalogueOf({ recordPreImages: true });
    await createLike(db, 'orders', source, { preImages: false });
    const found = must(await readCatalogue(db, 'orders'));
    expect([...found.options.keys()]).toEqual(['recordPreImages']);
  });

  it('does not make another collection of a clustered one', async () => {
    const source = catalogueOf({
      clusteredIndex: { v: 2, key: { _id: 1 }, name: '_id_', unique: true },
      ...images,
    });
    await expect(createLike(db, 'orders', source, { preImages: true })).rejects.toMatchObject({
      type: 'PreflightFailed',
      message: expect.stringMatching(/clusteredIndex.*featureCompatibilityVersion/s) as unknown,
    });
    expect(await readCatalogue(db, 'orders')).toBeUndefined();
  });

  it('has a buffer that is not clustered, and writes that name no UUID', async () => {
    const uuid = must(await createBuffer(db, 'orders'));
    expect(await createBuffer(db, 'orders')).toEqual(uuid);
    const found = must(await readCatalogue(db, 'cdc.orders'));
    expect([...found.options.keys()]).toEqual([]);
    expect(found.uuid).toEqual(uuid);
    expect(await collectionUuid(db, 'cdc.orders')).toBeUndefined();
    await runAs('6.0');
    expect(await collectionUuid(db, 'cdc.orders')).toEqual(found.uuid);
  });
});

it('a database that differs in upper and lower case is no matter of time', async () => {
  await db.createCollection('orders');
  const writing = mongo.client.db('Target').collection('orders').insertOne({});
  const error: unknown = await writing.catch((reason: unknown) => reason);
  expect(toFailure(error, { activity: 'captureToken' })).toMatchObject({
    type: 'PreflightFailed',
    nonRetryable: true,
    message: expect.stringContaining('upper and lower case') as unknown,
  });
});
