import {
  Binary,
  BSON,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb';
import { describe, expect, it } from 'vitest';
import { chooseCutPoints } from '../../../src/mongo/cut-points.js';
import { partitionCount, partitionFilter, partitionQuery } from '../../../src/mongo/partitions.js';
import { cutPointText, parseCutPoint } from '../../../src/mongo/portable-id.js';
import { fields, RawValue } from '../../../src/mongo/raw.js';

const MIB = 1024 ** 2;

function raw(value: unknown): RawValue {
  const found = fields(BSON.serialize({ v: value })).get('v');
  if (!found) throw new Error('no value');
  return found;
}

describe('the number of partitions', () => {
  const plan = { documents: 1e6, bytes: 0, partitionBytes: 1024 * MIB, parallelPartitions: 2 };
  it.each([
    ['an empty collection', { ...plan }, 1],
    ['a small one', { ...plan, bytes: 63 * MIB }, 1],
    ['one that two can share', { ...plan, bytes: 64 * MIB }, 2],
    ['one that many hands could share', { ...plan, bytes: 1500 * MIB, parallelPartitions: 64 }, 46],
    ['a large one', { ...plan, bytes: 10.5 * 1024 * MIB }, 12],
    ['a huge one', { ...plan, bytes: 5e6 * MIB }, 1000],
    ['a capped one', { ...plan, bytes: 5e6 * MIB, singlePartition: true }, 1],
  ])('of %s', (_what, given, expected) => {
    expect(partitionCount(given)).toBe(expected);
  });
});

describe('a cut point', () => {
  it.each<[unknown, string]>([
    [new Int32(5), '{"$numberInt":"5"}'],
    [new Double(5), '{"$numberDouble":"5.0"}'],
    [Long.MAX_VALUE, '{"$numberLong":"9223372036854775807"}'],
    [Decimal128.fromString('1E+3'), '{"$numberDecimal":"1E+3"}'],
    [new ObjectId('0123456789abcdef01234567'), '{"$oid":"0123456789abcdef01234567"}'],
    ['a "b" é\u0000', '"a \\"b\\" é\\u0000"'],
    [true, 'true'],
    [new Date(-1), '{"$date":{"$numberLong":"-1"}}'],
    [new Timestamp({ t: 4294967295, i: 1 }), '{"$timestamp":{"t":4294967295,"i":1}}'],
    [
      new UUID('00112233-4455-6677-8899-aabbccddeeff'),
      '{"$binary":{"base64":"ABEiM0RVZneImaq7zN3u/w==","subType":"04"}}',
    ],
    [{ b: new Int32(1), a: 'x' }, '{"b":{"$numberInt":"1"},"a":"x"}'],
  ])('of %o comes back exactly', (value, text) => {
    expect(cutPointText(raw(value))).toBe(text);
    expect(raw(parseCutPoint(text)).key).toBe(raw(value).key);
  });

  const long = Buffer.alloc(8);
  long.writeBigInt64LE(2n ** 63n - 1n);
  const badText = Buffer.from([3, 0, 0, 0, 0xc3, 0x28, 0]);
  it.each<[string, RawValue]>([
    ['NaN', raw(new Double(NaN))],
    ['infinity', raw(new Double(Infinity))],
    ['a decimal NaN', raw(Decimal128.fromString('NaN'))],
    ['a decimal infinity', raw(Decimal128.fromString('-Infinity'))],
    ['a date that JavaScript does not have', new RawValue(9, long)],
    ['text that is not UTF-8', new RawValue(2, badText)],
    ['code', raw(new Code('x'))],
    ['null', raw(null)],
    ['MaxKey', raw(new MaxKey())],
    ['old binary', raw(new Binary(Buffer.from('x'), 2))],
    ['a document that looks like something else', raw({ $oid: '0123456789abcdef01234567' })],
    ['keys that JavaScript sorts', raw(new Map([['b', 1], ['1', 2]]))], // prettier-ignore
  ])('is not %s', (_what, value) => {
    expect(cutPointText(value)).toBeUndefined();
  });
});

describe('choosing cut points', () => {
  const ids = Array.from({ length: 100 }, (_, at) => raw(new Int32(at)));

  it('cuts evenly', () => {
    expect(chooseCutPoints(ids, 4).map(parseCutPoint).map(Number)).toEqual([25, 50, 75]);
  });

  it('takes the next value that will do', () => {
    const mixed = ids.map((id, at) => (at >= 20 && at < 30 ? raw(new Code(`${at}`)) : id));
    expect(chooseCutPoints(mixed, 4).map(parseCutPoint).map(Number)).toEqual([30, 50, 75]);
  });

  it('does with fewer where none will do', () => {
    const code = ids.map((_, at) => raw(new Code(`${at}`)));
    expect(chooseCutPoints(code, 4)).toEqual([]);
    expect(chooseCutPoints([], 4)).toEqual([]);
    expect(chooseCutPoints(ids.slice(0, 2), 4).map(parseCutPoint).map(Number)).toEqual([1]);
  });
});

describe('the filter of a partition', () => {
  it('is empty for the whole collection', () => {
    expect(partitionFilter({ index: 0 })).toEqual({});
    expect(partitionQuery({ index: 0 })).toBe('{}');
  });

  it('compares across types', () => {
    const partition = { index: 1, min: '{"$numberInt":"1"}', max: '"x"' };
    expect(partitionQuery(partition)).toBe(
      '{"$expr":{"$and":[{"$gte":["$_id",{"$literal":{"$numberInt":"1"}}]},' +
        '{"$lt":["$_id",{"$literal":"x"}]}]}}',
    );
  });
});
