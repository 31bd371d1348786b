import { BSON, Code, Double, Int32, Long, MaxKey, MinKey, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import {
  describeFieldDifference,
  findFieldDifference,
} from '../../../src/mongo/field-difference.js';
import { documentOf, stringBytes } from '../../helpers/bson.js';

function find(source: BSON.Document, target: BSON.Document) {
  return findFieldDifference(BSON.serialize(source), BSON.serialize(target));
}

const item = (price: unknown) => ({ price, name: 'x' });

describe('the first field that differs', () => {
  it.each([
    ['a value', { a: 1, t: 'text' }, { a: 1, t: 'tex ' }, 't', 'value'],
    [
      'a value far within',
      { items: [item(1), item(2)] },
      { items: [item(1), item(3)] },
      'items.1.price',
      'value',
    ],
    ['the first of two', { a: 1, b: { c: 1 } }, { a: 2, b: { c: 2 } }, 'a', 'value'],
    ['a type', { n: new Int32(5) }, { n: new Double(5) }, 'n', 'type'],
    ['a type within', { a: { n: new Int32(5) } }, { a: { n: Long.fromInt(5) } }, 'a.n', 'type'],
    ['an object for an array', { a: { 0: 1 } }, { a: [1] }, 'a', 'type'],
    ['the order', { a: 1, b: 1 }, { b: 1, a: 1 }, 'a', 'order'],
    ['the order within', { x: { a: 1, b: 1 } }, { x: { b: 1, a: 1 } }, 'x.a', 'order'],
    ['one more field at the end', { a: 1 }, { a: 1, b: 1 }, 'b', 'extra'],
    ['one more field in between', { a: 1, c: 1 }, { a: 1, b: 1, c: 1 }, 'b', 'extra'],
    ['one field less at the end', { a: 1, b: null }, { a: 1 }, 'b', 'missing'],
    ['one field less in between', { a: 1, b: 1, c: 1 }, { a: 1, c: 1 }, 'b', 'missing'],
    ['one element less', { a: [1, 2, 3] }, { a: [1, 2] }, 'a.2', 'missing'],
    ['one element more', { a: [] }, { a: [1] }, 'a.0', 'extra'],
    ['zero and its negative', { n: new Double(0) }, { n: new Double(-0) }, 'n', 'value'],
    ['a timestamp', { t: new Timestamp(1n) }, { t: new Timestamp(2n) }, 't', 'value'],
    ['a scope', { c: new Code('f', { a: 1 }) }, { c: new Code('f', { a: 2 }) }, 'c', 'value'],
    ['a name with a dot', { 'a.b': 1 }, { 'a.b': 2 }, 'a.b', 'value'],
  ])('is found: %s', (_what, source, target, path, kind) => {
    expect(find(source, target)).toMatchObject({ path, kind });
  });

  it('is none where all is the same', () => {
    const same = { a: [1, { b: new Long(1) }], c: null, d: '' };
    expect(find(same, same)).toBeUndefined();
    expect(find({}, {})).toBeUndefined();
  });

  it('is found in what no driver would write: a name that occurs twice, bytes that are no text', () => {
    const int = (n: number) => Buffer.from([n, 0, 0, 0]);
    const twice = documentOf([0x10, 'a', int(1)], [0x10, 'a', int(2)]);
    const other = documentOf([0x10, 'a', int(1)], [0x10, 'a', int(3)]);
    expect(findFieldDifference(twice, other)).toEqual({ path: 'a', kind: 'value' });
    const odd = documentOf([0x02, 't', stringBytes(Buffer.from([0xff]))]);
    const even = documentOf([0x02, 't', stringBytes(Buffer.from([0xfe]))]);
    expect(findFieldDifference(odd, even)).toEqual({ path: 't', kind: 'value' });
    const [oddName, evenName] = [0xff, 0xfe].map((byte) =>
      documentOf([0x10, Buffer.from([byte]), int(1)]),
    );
    expect(findFieldDifference(oddName ?? odd, evenName ?? even)).toEqual({
      path: '\ufffd',
      kind: 'missing',
    });
  });
});

describe('a difference in words', () => {
  it.each([
    [{ n: new Int32(1) }, { n: new Double(1) }, 'type, int at the source and double at the target'],
    [
      { n: new MinKey() },
      { n: new MaxKey() },
      'type, minKey at the source and maxKey at the target',
    ],
    [{ n: 1 }, { n: 2 }, 'value'],
    [{ n: 1 }, {}, 'missing at the target'],
    [{}, { n: 1 }, 'not at the source'],
    [{ a: 1, b: 1 }, { b: 1, a: 1 }, 'order of the fields'],
  ])('%j and %j', (source, target, words) => {
    const difference = find(source, target);
    expect(difference && describeFieldDifference(difference)).toBe(words);
  });
});
