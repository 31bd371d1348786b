import { BSON, Decimal128, Double, Int32, Long, type Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { type Catalogue, decode, indexName } from '../../../src/mongo/catalogue.js';
import {
  compareCatalogues,
  differentOptions,
  sameIndex,
} from '../../../src/mongo/catalogue-difference.js';
import { expirySeconds } from '../../../src/mongo/expiry.js';
import {
  finalForm,
  hasFlag,
  indexProblem,
  loadForm,
  secondaryIndexes,
} from '../../../src/mongo/indexes.js';
import { fields } from '../../../src/mongo/raw.js';

const spec = (index: Document) => fields(BSON.serialize({ v: 2, ...index }));
const names = (index: ReadonlyMap<string, unknown>) => [...index.keys()].toSorted();

const catalogueOf = (options: Document, ...indexes: Document[]): Catalogue => ({
  name: 'orders',
  type: 'collection',
  uuid: undefined,
  options: fields(BSON.serialize(options)),
  indexes: indexes.map(spec),
});

describe('the form that an index is loaded in', () => {
  it('is neither unique nor expiring', () => {
    const loaded = loadForm(
      spec({ key: { a: 1 }, name: 'a', unique: true, expireAfterSeconds: 5, sparse: true }),
    );
    expect(names(loaded)).toEqual(['collation', 'key', 'name', 'sparse']);
  });

  it('does not hold what a source in transition, or an old one, has besides', () => {
    const loaded = loadForm(
      spec({
        key: { a: 1 },
        name: 'a',
        ns: 'shop.orders',
        background: true,
        dropDups: true,
        prepareUnique: true,
      }),
    );
    expect(names(loaded)).toEqual(['collation', 'key', 'name']);
  });

  it('keeps the exact bytes of key and partial filter', () => {
    const index = spec({
      key: new Map<string, unknown>([
        ['b', new Int32(-1)],
        ['10', new Double(1)],
        ['2', Long.fromNumber(1)],
      ]),
      partialFilterExpression: new Map([['10', new Map([['$gt', Long.fromNumber(5)]])]]),
      name: 'odd',
    });
    const loaded = loadForm(index);
    expect(loaded.get('key')?.bytes).toEqual(index.get('key')?.bytes);
    expect(loaded.get('partialFilterExpression')?.bytes).toEqual(
      index.get('partialFilterExpression')?.bytes,
    );
  });

  it('names the simple collation, which a new index would not inherit', () => {
    expect(decode(loadForm(spec({ key: { a: 1 }, name: 'a' })).get('collation'))).toEqual({
      locale: 'simple',
    });
    const french = spec({ key: { a: 1 }, name: 'a', collation: { locale: 'fr' } });
    expect(decode(loadForm(french).get('collation'))).toEqual({ locale: 'fr' });
  });
});

describe('the final form of an index', () => {
  it('holds uniqueness and expiry', () => {
    const index = finalForm(
      spec({ key: { a: 1 }, name: 'a', unique: true, expireAfterSeconds: new Double(5.5) }),
    );
    expect(hasFlag(index, 'unique')).toBe(true);
    expect(decode(index.get('expireAfterSeconds'))).toBe(5);
  });

  it.each([
    [new Double(NaN), 2147483647],
    [new Double(3600.7), 3600],
    [Long.fromString('9999999999'), 2147483647],
    [Decimal128.fromString('7'), 7],
    [new Int32(0), 0],
    [new Double(-0.5), 0],
    // The monitor that deletes leaves these alone.
    ['3600', 2147483647],
    ['', 2147483647],
    [false, 2147483647],
    [new Date(60), 2147483647],
  ])('reads %s seconds as %s', (stored, seconds) => {
    expect(expirySeconds(fields(BSON.serialize({ s: stored })).get('s'))).toBe(seconds);
  });
});

describe('secondary indexes', () => {
  it('are all but those that come with the collection', () => {
    const indexes = [
      spec({ key: { _id: 1 }, name: '_id_' }),
      spec({ key: { _id: 1 }, name: 'mine', unique: true, clustered: true }),
      spec({ key: { _id: 'hashed' }, name: '_id_hashed' }),
      spec({ key: { a: 1 }, name: 'a' }),
    ];
    expect(secondaryIndexes({ indexes }).map(indexName)).toEqual(['_id_hashed', 'a']);
  });

  it.each([
    [{ key: { a: 1 } }, undefined],
    [{ key: { a: -1.5, b: 'text', '$**': 1 } }, undefined],
    [
      { key: { a: Decimal128.fromString('1'), b: Long.fromString('-9007199254740993') } },
      undefined,
    ],
    [
      { key: { a: Decimal128.fromString('Infinity'), b: Decimal128.fromString('-0.1') } },
      undefined,
    ],
    [{ key: { a: 0 } }, 'its key has 0 for "a"'],
    [{ key: { a: new Double(NaN) } }, 'its key has null for "a"'],
    [
      { key: { a: Decimal128.fromString('0E+3') } },
      'its key has {"$numberDecimal":"0E+3"} for "a"',
    ],
    [
      { key: { a: Decimal128.fromString('1E-6000') } },
      'its key has {"$numberDecimal":"1E-6000"} for "a"',
    ],
    [{ key: { a: true } }, 'its key has true for "a"'],
    [{ key: { a: '' } }, 'its key has "" for "a"'],
    [{ key: { a: 1 }, expireAfterSeconds: -1 }, 'its expireAfterSeconds is negative'],
  ])('of the form %j have the problem %s', (index, problem) => {
    expect(indexProblem(spec({ name: 'a', ...index }))).toBe(problem);
  });
});

describe('comparison', () => {
  it('takes no notice of how a server stores things', () => {
    const one = catalogueOf(
      { collation: { locale: 'fr', strength: 1, version: '57.1' } },
      { key: { a: 1 }, name: 'a', v: 1, ns: 'x.y', background: true, sparse: false },
      { key: { b: 1 }, name: 'b', weights: { x: 1, y: 2 }, expireAfterSeconds: new Double(NaN) },
    );
    const other = catalogueOf(
      { collation: { strength: Long.fromNumber(1), locale: 'fr', version: '60' } },
      { name: 'b', expireAfterSeconds: 2147483647, weights: { y: 2, x: 1 }, key: { b: 1 } },
      { name: 'a', key: { a: new Double(1) } },
    );
    expect(compareCatalogues(one, other)).toEqual([]);
  });

  it('takes an expiry that is no number for one that never comes', () => {
    const ttl = (expireAfterSeconds: unknown) =>
      catalogueOf({}, { key: { a: 1 }, name: 'a', expireAfterSeconds });
    expect(compareCatalogues(ttl('3600'), ttl(2147483647))).toEqual([]);
    expect(compareCatalogues(ttl('3600'), ttl(3600))).toHaveLength(1);
  });

  it('leaves out what an index from before 3.4 has besides, but nothing that a newer server may know', () => {
    const of = (index: Document) => catalogueOf({}, { key: { a: 1 }, name: 'a', ...index });
    expect(compareCatalogues(of({ v: 1, dropDups: true, uniq: true }), of({}))).toEqual([]);
    expect(compareCatalogues(of({ v: 1, unique: true }), of({}))).toHaveLength(1);
    expect(compareCatalogues(of({ v: 1, prepareUnique: true }), of({}))).toHaveLength(1);
    expect(compareCatalogues(of({ v: 2, newer: true }), of({}))).toHaveLength(1);
  });

  it('takes a capped size for the wanted one that the server has rounded up, but says what it is', () => {
    const capped = (size: number) => catalogueOf({ capped: true, size });
    const differ = (wanted: number, there: number) =>
      differentOptions(capped(wanted).options, capped(there).options);
    expect(differ(1000, 1024)).toEqual([]);
    expect(differ(1024, 1000)).toEqual(['size']);
    expect(differ(1000, 1280)).toEqual(['size']);
    expect(differentOptions(capped(1000).options, new Map())).toEqual(['capped', 'size']);
    expect(compareCatalogues(capped(1000), capped(1024))).toEqual([
      { what: 'option size', source: '1000', target: '1024' },
    ]);
  });

  it('tells what differs, and how', () => {
    const one = catalogueOf(
      { capped: true, size: 4096 },
      { key: { a: 1, b: 1 }, name: 'ab' },
      { key: { c: 1 }, name: 'c', unique: true },
    );
    const other = catalogueOf(
      { capped: true, size: 8192 },
      { key: { b: 1, a: 1 }, name: 'ab' },
      { key: { c: 1 }, name: 'c', prepareUnique: true },
      { key: { d: 1 }, name: 'd' },
    );
    expect(compareCatalogues(one, other)).toEqual([
      { what: 'option size', source: '4096', target: '8192' },
      {
        what: 'index "ab"',
        source: '{ key: { a: 1, b: 1 }, name: "ab" }',
        target: '{ key: { b: 1, a: 1 }, name: "ab" }',
      },
      {
        what: 'index "c"',
        source: '{ key: { c: 1 }, name: "c", unique: true }',
        target: '{ key: { c: 1 }, name: "c", prepareUnique: true }',
      },
      { what: 'index "d"', source: 'none', target: '{ key: { d: 1 }, name: "d" }' },
    ]);
  });

  it('sees two indexes with one key and different collations as two', () => {
    const french = spec({ key: { a: 1 }, name: 'a', collation: { locale: 'fr' } });
    expect(sameIndex(french, spec({ key: { a: 1 }, name: 'a' }))).toBe(false);
  });
});
