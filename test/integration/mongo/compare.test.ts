import { BSON, Double, Int32, Long, type MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  compareDocuments,
  type PairingLimits,
  compareIds,
  type DocumentDifference,
  explainDifferences,
  showId,
} from '../../../src/mongo/compare.js';
import { everyId, keyOf, rawOf, unreadableIds } from '../../helpers/bson.js';
import { AS_IT_IS, DataPath, TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;
let path: DataPath;

beforeAll(async () => {
  mongo = await TestMongo.start('compare');
  client = mongo.client;
});

beforeEach(async () => {
  path = await DataPath.begin(client);
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const { signal } = new AbortController();

async function compare(filter = {}, limits: PairingLimits = {}) {
  const source = { db: path.source, collection: path.name };
  const target = { db: path.target, collection: path.name };
  const seen: number[] = [];
  const found = await compareDocuments(
    source,
    target,
    filter,
    signal,
    ({ documents }) => {
      seen.push(documents);
    },
    limits,
  );
  return { ...found, seen };
}

async function again(differences: readonly DocumentDifference[]) {
  const source = { db: path.source, collection: path.name };
  const target = { db: path.target, collection: path.name };
  const ids = differences.map(({ id }) => id);
  const found = await compareIds(source, target, ids, signal);
  return explainDifferences(source, target, found, signal);
}

/** Two sides of a document with the same `_id`. */
async function both(source: object, target: object): Promise<void> {
  await path.orders.insertOne({ _id: 'x', ...source });
  await path.copy.insertOne({ _id: 'x', ...target });
}

describe('a comparison', () => {
  it('finds nothing where all is the same, whatever the _ids', async () => {
    const documents = Object.values(everyId).map((_id) => ({ _id, a: 1 }));
    await path.orders.insertMany(documents, AS_IT_IS);
    await path.copy.insertMany(documents.toReversed(), AS_IT_IS);
    const { compared, differences } = await compare();
    expect(differences).toEqual([]);
    expect(compared.documents).toBe(documents.length);
    expect(compared.bytes).toBeGreaterThan(documents.length * 10);
  });

  it.each([
    ['a byte', { a: 1, t: 'text' }, { a: 1, t: 'tex ' }, 't'],
    ['a type', { n: new Int32(5) }, { n: new Double(5) }, 'n'],
    ['a type within', { a: { n: new Int32(5) } }, { a: { n: Long.fromInt(5) } }, 'a.n'],
    ['the order of fields', { a: 1, b: 1 }, { b: 1, a: 1 }, 'a'],
    ['the order of fields within', { x: { a: 1, b: 1 } }, { x: { b: 1, a: 1 } }, 'x.a'],
    ['one more field', { a: 1 }, { a: 1, b: 1 }, 'b'],
    ['one field less', { a: 1, b: null }, { a: 1 }, 'b'],
    ['zero and its negative', { n: new Double(0) }, { n: new Double(-0) }, 'n'],
    ['an empty timestamp', { t: new Timestamp(1n) }, { t: new Timestamp(2n) }, 't'],
  ])('finds a difference in %s, and names the field', async (_what, source, target, field) => {
    await path.orders.insertOne({ _id: 1 });
    await path.copy.insertOne({ _id: 1 });
    await both(source, target);
    const { differences } = await compare();
    expect(differences.map(({ id, kind }) => [id.key, kind])).toEqual([[keyOf('x'), 'differs']]);
    const [difference, ...others] = await again(differences);
    expect(difference).toMatchObject({ kind: 'differs', field });
    expect(others).toEqual([]);
    expect(difference?.sourceHash).not.toBe(difference?.targetHash);
  });

  it('finds what is missing and what is extra, of every type of _id', async () => {
    const ids = Object.values(everyId);
    await path.orders.insertMany(
      ids.map((_id) => ({ _id })),
      AS_IT_IS,
    );
    const missing = (await compare()).differences;
    expect(missing.map(({ kind }) => kind)).toEqual(ids.map(() => 'missing'));
    expect(new Set(missing.map(({ id }) => id.key))).toEqual(new Set(ids.map(keyOf)));
    expect((await again(missing)).map(({ kind }) => kind)).toEqual(ids.map(() => 'missing'));
    await path.copy.insertMany(
      ids.map((_id) => ({ _id })),
      AS_IT_IS,
    );
    expect(await again(missing)).toEqual([]);
    await path.orders.deleteMany({});
    const extra = (await compare()).differences;
    expect(extra.map(({ kind }) => kind)).toEqual(ids.map(() => 'extra'));
    expect((await again(extra)).every(({ kind }) => kind === 'extra')).toBe(true);
  });

  it('tells _ids that are equal but not the same', async () => {
    await path.orders.insertOne({ _id: new Int32(5) });
    await path.copy.insertOne({ _id: new Double(5) });
    const { differences } = await compare();
    const kinds = new Map(differences.map(({ id, kind }) => [id.key, kind]));
    expect(kinds).toEqual(
      new Map([
        [keyOf(new Int32(5)), 'missing'],
        [keyOf(new Double(5)), 'extra'],
      ]),
    );
    expect((await again(differences)).map(({ kind }) => kind).toSorted()).toEqual([
      'extra',
      'missing',
    ]);
  });

  it.each([
    ['whole', {}],
    ['as hashes', { heldBytes: 100_000 }],
  ])('keeps pace when one side has documents more, which wait %s', async (_how, limits) => {
    const t = 'x'.repeat(500);
    const all = Array.from({ length: 15_000 }, (_, _id) => ({ _id, t }));
    await path.orders.insertMany(all);
    const there = all.filter(({ _id: id }) => id >= 4000 && id !== 14_000);
    await path.copy.insertMany(
      there.map((each) => (each._id === 9_000 ? { ...each, t: '' } : each)),
    );
    const { compared, differences, seen, isWhole } = await compare({}, limits);
    expect(compared.documents).toBe(15_000);
    expect(seen.length).toBeGreaterThan(2);
    expect(isWhole).toBe(true);
    const missing = differences.filter(({ kind }) => kind === 'missing');
    expect(missing).toHaveLength(4001);
    expect(missing.at(-1)?.id.key).toBe(keyOf(14_000));
    const others = differences.filter(({ kind }) => kind !== 'missing');
    expect(others).toMatchObject([{ kind: 'differs', id: { key: keyOf(9_000) } }]);
  });

  it('stops when nearly everything differs', async () => {
    const all = Array.from({ length: 50_001 }, (_, _id) => ({ _id }));
    await path.orders.insertMany(all);
    const { differences, isWhole } = await compare();
    expect(isWhole).toBe(false);
    expect(differences).toHaveLength(50_000);
    await path.orders.deleteOne({ _id: 0 });
    expect(await compare()).toMatchObject({ isWhole: true, differences: { length: 50_000 } });
  });

  it('looks at its partition only', async () => {
    await path.orders.insertMany([{ _id: 1 }, { _id: 2 }]);
    const { differences } = await compare({ _id: { $gt: 1 } });
    expect(differences.map(({ id }) => id.key)).toEqual([keyOf(2)]);
  });
});

describe('an _id for people', () => {
  it.each([
    [1, '1'],
    ['a"b', '"a\\"b"'],
    [null, 'null'],
    [Long.fromString('9007199254740993'), '{"$numberLong":"9007199254740993"}'],
    [{ a: 1 }, '{"a":1}'],
    [new BSON.ObjectId('000000000000000000000001'), '{"$oid":"000000000000000000000001"}'],
    [new BSON.MinKey(), '{"$minKey":1}'],
  ])('is extended JSON: %s', (id, text) => {
    expect(showId(rawOf(id))).toBe(text);
  });

  it('is its bytes where bson cannot read it', () => {
    expect(unreadableIds.map(showId)).toEqual([
      'BSON type 9: ffffffffffffff7f',
      'BSON type 2: 02000000ff00',
      'BSON type 5: 0100000004ff',
      'BSON type 5: 0100000002ff',
    ]);
  });
});
