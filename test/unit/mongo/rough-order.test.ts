import { Binary, Int32, Long, ObjectId, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { isOrderKnown, sortRoughly } from '../../../src/mongo/rough-order.js';
import { rawOf } from '../../helpers/bson.js';

describe('a rough order of _ids', () => {
  it.each<[string, unknown[]]>([
    ['numbers', [3, -1, 2.5, 0]],
    ['whole numbers', [new Int32(70_000), new Int32(-5), new Int32(256), new Int32(1)]],
    ['dates', [new Date(5), new Date(-5), new Date(2 ** 33)]],
    ['text, whatever its length', ['b', 'aaaa', 'ab', 'a']],
    ['ObjectIds', ['f'.repeat(24), '0'.repeat(24), 'a'.repeat(24)].map((hex) => new ObjectId(hex))],
  ])('is the server’s for %s', (_what, values) => {
    const sorted = sortRoughly(values, (value) => rawOf(value));
    const plain = (value: unknown) => (value instanceof ObjectId ? value.toString() : value);
    const expected = values.toSorted((one, other) =>
      (plain(one) as number) < (plain(other) as number) ? -1 : 1,
    );
    expect(sorted).toEqual(expected);
  });

  it('keeps every one of a mixture, and the order of equal ones', () => {
    const values = ['a', 1, new ObjectId(), 'a', null, 1].map((id, index) => ({ id, index }));
    const sorted = sortRoughly(values, ({ id }) => rawOf(id));
    expect(sorted.toSorted((one, other) => one.index - other.index)).toEqual(values);
    expect(sortRoughly(values.slice(3, 4).concat(values[0] ?? []), ({ id }) => rawOf(id))).toEqual([
      values[3],
      values[0],
    ]);
  });

  it.each<[boolean, string, unknown[]]>([
    [true, 'nothing', []],
    [true, 'text', ['b', 'aaaa']],
    [true, 'whole numbers', [new Int32(1), new Int32(-1)]],
    [
      true,
      'binaries of one length',
      [new Binary(Buffer.from('ab')), new Binary(Buffer.from('aa'))],
    ],
    [false, 'binaries of several', [new Binary(Buffer.from('ab')), new Binary(Buffer.from('a'))]],
    [false, 'numbers of several types', [new Int32(1), Long.fromNumber(2)]],
    [false, 'numbers with NaN', [1.5, NaN]],
    [false, 'timestamps', [new Timestamp(1n), new Timestamp(2n)]],
    [false, 'documents', [{ a: 1 }, { a: 2 }]],
  ])('says %s of whether it is the server’s for %s', (isKnown, _what, values) => {
    expect(isOrderKnown(values.map((value) => rawOf(value)))).toBe(isKnown);
  });
});
