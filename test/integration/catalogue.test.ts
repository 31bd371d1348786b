import {
  BSON,
  Decimal128,
  Double,
  Int32,
  Long,
  MongoClient,
  Timestamp,
  type Db,
  type Document,
} from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startReplicaSet } from '../../embedded/index.js';
import { type Catalogue, decode, readCatalogue } from '../../src/mongo/catalogue.js';
import { compareCatalogues } from '../../src/mongo/catalogue-difference.js';
import { readSize } from '../../src/mongo/collection-size.js';
import { createLike } from '../../src/mongo/create-like.js';
import { convertUnique, enforceFinal } from '../../src/mongo/final-form.js';
import { finalFeatures, planFinal } from '../../src/mongo/final-plan.js';
import { loadForms } from '../../src/mongo/index-twins.js';
import { createIndexes } from '../../src/mongo/indexes.js';
import { fields } from '../../src/mongo/raw.js';

let server: Awaited<ReturnType<typeof startReplicaSet>>;
let client: MongoClient;
let source: Db;
let target: Db;

const modern = finalFeatures('6.0.5', true);

beforeAll(async () => {
  server = await startReplicaSet({ name: 'catalogue', auth: { user: 'root', password: 'secret' } });
  client = await MongoClient.connect(server.uri);
  source = client.db('source');
  target = client.db('target');
}, 300_000);

afterAll(async () => {
  await client?.close();
  await server?.stop();
});

beforeEach(async () => {
  await Promise.all([source.dropDatabase(), target.dropDatabase()]);
});

async function catalogueOf(db: Db, name: string): Promise<Catalogue> {
  const catalogue = await readCatalogue(db, name);
  if (!catalogue) throw new Error(`no collection ${name}`);
  return catalogue;
}

function indexOf({ indexes: specs }: Catalogue, name: string) {
  return specs.find((spec) => decode(spec.get('name')) === name);
}

/** Creates a collection like that of the source, with its indexes as they are loaded. */
async function stage(name: string): Promise<Catalogue> {
  const catalogue = await catalogueOf(source, name);
  await createLike(target, name, catalogue, { preImages: true });
  await createIndexes(target, name, loadForms(catalogue));
  return catalogue;
}

const indexes: Document[] = [
  { key: { a: 1, b: -1 }, name: 'compound' },
  { key: { u: 1 }, name: 'unique', unique: true },
  { key: { u: 1, h: 1 }, name: 'hidden and unique', unique: true, hidden: true },
  { key: { s: 1 }, name: 'sparse', sparse: true, unique: true },
  { key: { e: 1 }, name: 'ttl', expireAfterSeconds: new Double(86400) },
  { key: { e2: 1 }, name: 'unique ttl', expireAfterSeconds: 86400, unique: true },
  {
    key: { e3: 1 },
    name: 'partial ttl',
    expireAfterSeconds: 0,
    partialFilterExpression: { done: true },
  },
  { key: { n: 1 }, name: 'NaN ttl', expireAfterSeconds: new Double(NaN) },
  {
    key: { p: 1 },
    name: 'partial',
    unique: true,
    partialFilterExpression: new Map<string, unknown>([
      ['b', new Map([['$gt', Long.fromNumber(5)]])],
      ['10', new Double(1)],
      ['2', new Timestamp({ t: 1, i: 2 })],
    ]),
  },
  { key: { h: 'hashed' }, name: 'hashed' },
  { key: { _id: 'hashed' }, name: 'hashed id' },
  {
    key: { t: 'text', 'sub.t': 'text' },
    name: 'text',
    weights: { t: 10 },
    default_language: 'german',
    language_override: 'lang',
    collation: { locale: 'simple' },
  },
  { key: { g: '2dsphere' }, name: 'sphere', '2dsphereIndexVersion': 2 },
  {
    key: { l: '2d' },
    name: 'flat',
    bits: 20,
    min: -10,
    max: 10.5,
    collation: { locale: 'simple' },
  },
  { key: { '$**': 1 }, name: 'wildcard', wildcardProjection: { a: 1, 'b.c': 1 } },
  { key: { 'w.$**': 1 }, name: 'wildcard below' },
  { key: { '10': 1, '2': 1 }, name: 'like numbers' },
  {
    key: { d: Decimal128.fromString('-1'), n: Long.fromString('9007199254740993') },
    name: 'other numbers',
  },
  { key: { u: 1 }, name: 'plain twin', hidden: true },
  { key: { u: 1 }, name: 'sparse brother', sparse: true },
  { key: { c: 1 }, name: 'c simple', collation: { locale: 'simple' } },
  { key: { c: 1 }, name: 'c french', collation: { locale: 'fr', strength: 2 } },
];

describe.each([
  ['without a collation', {}],
  ['with a collation', { collation: { locale: 'en', strength: 2 } }],
])('a collection %s', (_what, options) => {
  beforeEach(async () => {
    const ofDefault = 'collation' in options ? [{ key: { c: 1 }, name: 'c default' }] : [];
    const validator = new Map<string, unknown>([
      ['10', { $exists: false }],
      ['2', { $ne: Long.fromNumber(7) }],
    ]);
    await source.command({
      create: 'orders',
      ...options,
      validator,
      validationLevel: 'moderate',
      changeStreamPreAndPostImages: { enabled: true },
    });
    await source.command({ createIndexes: 'orders', indexes: [...indexes, ...ofDefault] });
  });

  it('is alike at the target once everything is applied', async () => {
    const catalogue = await stage('orders');
    const staged = await catalogueOf(target, 'orders');
    for (const index of staged.indexes) {
      expect([...index.keys()]).not.toContain('unique');
      expect([...index.keys()]).not.toContain('expireAfterSeconds');
    }
    expect(staged.options.has('validator')).toBe(false);

    const context = { db: target, collection: 'orders', source: catalogue };
    const plan = planFinal(catalogue, modern);
    await enforceFinal(context, plan);
    await enforceFinal(context, plan);
    await convertUnique(context, plan);
    await convertUnique(context, plan);

    const final = await catalogueOf(target, 'orders');
    expect(compareCatalogues(catalogue, final)).toEqual([]);
    for (const field of ['key', 'partialFilterExpression', 'collation']) {
      expect(indexOf(final, 'partial')?.get(field)).toEqual(
        indexOf(catalogue, 'partial')?.get(field),
      );
    }
    expect(final.options.get('validator')).toEqual(catalogue.options.get('validator'));
  });

  it('is alike too where indexes have to be built again', async () => {
    const catalogue = await stage('orders');
    const context = { db: target, collection: 'orders', source: catalogue };
    const plan = planFinal(catalogue, { ...modern, prepareUnique: false, ttlCollMod: false });
    await enforceFinal(context, plan);
    await enforceFinal(context, plan);
    await convertUnique(context, plan);
    expect(compareCatalogues(catalogue, await catalogueOf(target, 'orders'))).toEqual([]);
  });
});

describe('creating a collection', () => {
  it('takes a size that the server has rounded up for the one that a newer server has', async () => {
    await source.createCollection('capped');
    const options = fields(BSON.serialize({ capped: true, size: 1000 }));
    const newer = { ...(await catalogueOf(source, 'capped')), options };
    const uuid = await createLike(target, 'capped', newer, { preImages: true });
    expect(await createLike(target, 'capped', newer, { preImages: true })).toEqual(uuid);
    expect(decode((await catalogueOf(target, 'capped')).options.get('size'))).toBe(1024);
  });

  it('keeps capped and clustered, and holds expiry back', async () => {
    await source.createCollection('capped', { capped: true, size: 100_000, max: 50 });
    const clusteredIndex = { key: { _id: 1 }, unique: true, name: 'mine' };
    await source.command({ create: 'clustered', clusteredIndex, expireAfterSeconds: 3600 });
    const clustered = await stage('clustered');
    expect(compareCatalogues(clustered, await catalogueOf(target, 'clustered'))).toEqual([
      { what: 'option expireAfterSeconds', source: '3600', target: 'none' },
    ]);
    const context = { db: target, collection: 'clustered', source: clustered };
    await enforceFinal(context, planFinal(clustered, modern));
    for (const name of ['clustered', 'capped']) {
      const wanted = name === 'capped' ? await stage(name) : clustered;
      expect(compareCatalogues(wanted, await catalogueOf(target, name))).toEqual([]);
    }
  });

  it('finds its own collection again, and no other', async () => {
    await source.createCollection('orders');
    const catalogue = await catalogueOf(source, 'orders');
    const uuid = await createLike(target, 'orders', catalogue, { preImages: true });
    const again = await createLike(target, 'orders', catalogue, { preImages: true, uuid });
    expect(again.equals(uuid)).toBe(true);
    // The source may have changed before a second attempt: that is carried later.
    await source.command({ collMod: 'orders', changeStreamPreAndPostImages: { enabled: true } });
    const changed = await catalogueOf(source, 'orders');
    const third = await createLike(target, 'orders', changed, { preImages: true, uuid });
    expect(third.equals(uuid)).toBe(true);

    await target.dropCollection('orders');
    await target.createCollection('orders');
    await expect(
      createLike(target, 'orders', catalogue, { preImages: true, uuid }),
    ).rejects.toThrow(/is not the one/);
    await target.dropCollection('orders');
    await target.createCollection('orders', { capped: true, size: 4096 });
    await expect(createLike(target, 'orders', catalogue, { preImages: true })).rejects.toThrow(
      /its options differ: capped, size/,
    );
  });
});

describe('duplicates', () => {
  beforeEach(async () => {
    await source
      .collection('orders')
      .createIndex({ 'user.mail': 1 }, { unique: true, name: 'mail' });
  });

  it.each([
    ['converted', modern],
    ['built again', { ...modern, prepareUnique: false }],
  ])('are named when an index is %s', async (_what, features) => {
    const catalogue = await stage('orders');
    const documents = [1, 2, 3].map((_id) => ({ _id, user: { mail: _id < 3 ? 'a@b' : 'c@d' } }));
    await target.collection<{ _id: number }>('orders').insertMany(documents);
    const context = { db: target, collection: 'orders', source: catalogue };
    const plan = planFinal(catalogue, features);
    const apply = async () => {
      await enforceFinal(context, plan);
      await convertUnique(context, plan);
    };
    await expect(apply()).rejects.toMatchObject({
      type: 'CutoverRefused',
      message: expect.stringMatching(/the index "mail" of target\.orders .*a@b/) as unknown,
    });
    await expect(apply()).rejects.toMatchObject({ type: 'CutoverRefused' });

    await target.collection<{ _id: number }>('orders').deleteOne({ _id: 2 });
    await apply();
    expect(compareCatalogues(catalogue, await catalogueOf(target, 'orders'))).toEqual([]);
  });
});

describe('a user with the role readWrite', () => {
  it('may not run collMod: its indexes are built again', async () => {
    const users = { createUser: 'writer', pwd: 'w', roles: ['readWrite'] };
    await target.command(users);
    const uri = server.uri
      .replace('root:secret@', 'writer:w@')
      .replace(/authSource=\w+/, 'authSource=target');
    await using writer = await MongoClient.connect(uri);
    await source.command({
      createIndexes: 'orders',
      indexes: [
        { key: { u: 1 }, name: 'u', unique: true },
        { key: { e: 1 }, name: 'e', expireAfterSeconds: 60 },
      ],
    });
    const catalogue = await catalogueOf(source, 'orders');
    const db = writer.db('target');
    await createLike(db, 'orders', catalogue, { preImages: true });
    await createIndexes(db, 'orders', loadForms(catalogue), {
      onProgress: () => undefined,
    });
    // With a plan that takes collMod for granted, too: the server's answer decides.
    const plan = planFinal(catalogue, modern);
    await enforceFinal({ db, collection: 'orders', source: catalogue }, plan);
    await convertUnique({ db, collection: 'orders', source: catalogue }, plan);
    expect(compareCatalogues(catalogue, await catalogueOf(target, 'orders'))).toEqual([]);
    await target.command({ dropUser: 'writer' });
  });

  it('without collStats learns the size from count and a sample', async () => {
    await source.collection('orders').insertMany(Array.from({ length: 500 }, () => ({ a: 'x' })));
    await source.command({
      createRole: 'finder',
      privileges: [{ resource: { db: 'source', collection: 'orders' }, actions: ['find'] }],
      roles: [],
    });
    await source.command({ createUser: 'finder', pwd: 'f', roles: ['finder'] });
    const uri = server.uri
      .replace('root:secret@', 'finder:f@')
      .replace(/authSource=\w+/, 'authSource=source');
    await using finder = await MongoClient.connect(uri);
    const guessed = await readSize(finder.db('source'), 'orders');
    expect(guessed).toEqual(await readSize(source, 'orders'));
    await source.command({ dropUser: 'finder' });
    await source.command({ dropRole: 'finder' });
  });
});

describe('reading a catalogue', () => {
  it('tells views and time series from collections', async () => {
    await source.createCollection('orders');
    await source.createCollection('shown', { viewOn: 'orders', pipeline: [] });
    await source.createCollection('times', { timeseries: { timeField: 't' } });
    expect((await readCatalogue(source, 'shown'))?.type).toBe('view');
    expect((await readCatalogue(source, 'times'))?.type).toBe('timeseries');
    expect((await readCatalogue(source, 'orders'))?.uuid).toBeDefined();
    expect(await readCatalogue(source, 'missing')).toBeUndefined();
  });

  it('keeps the bytes of a validator', async () => {
    const validator = new Map<string, unknown>([
      ['b', new Int32(1)],
      ['1', Long.fromNumber(2)],
    ]);
    await source.command({ create: 'orders', validator });
    const { options } = await catalogueOf(source, 'orders');
    const wanted = fields(BSON.serialize({ validator })).get('validator');
    expect(options.get('validator')?.bytes).toEqual(wanted?.bytes);
  });
});

describe('progress of a build', () => {
  it('is reported with numbers to a user who may see it', async () => {
    const documents = Array.from({ length: 20_000 }, (_, at) => ({
      a: at,
      t: `word${at} `.repeat(9),
    }));
    for (let round = 0; round < 5; round++) {
      await target.collection('orders').insertMany(documents.map((each) => ({ ...each })));
    }
    await source.command({ createIndexes: 'orders', indexes: [{ key: { t: 'text' }, name: 't' }] });
    const specs = loadForms(await catalogueOf(source, 'orders'));
    const seen: unknown[] = [];
    await createIndexes(target, 'orders', specs, { onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(0);
    expect(seen[0]).toMatchObject({ elapsedSeconds: 0 });
  }, 60_000);
});
