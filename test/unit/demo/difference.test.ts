import { BSON, Double, Int32 } from 'mongodb';
import { describe as group, expect, it } from 'vitest';
import { describe, idOf } from '../../../demo/difference.js';

const bytes = (document: object) => Buffer.from(BSON.serialize(document));
const order = { _id: 'a', total: new Int32(1), city: 'Lyon' };

group('two documents of one _id', () => {
  it.each([
    ['a value', { ...order, city: 'Lyom' }, '"city" differs'],
    [
      'a type',
      { ...order, total: new Double(1) },
      '"total" has BSON type 16 at the source, 1 at the target',
    ],
    ['a field less', { _id: 'a', city: 'Lyon' }, '"total" is missing at the target'],
    ['a field more', { ...order, more: 1 }, '"more" is only at the target'],
    [
      'the order of fields',
      { _id: 'a', city: 'Lyon', total: new Int32(1) },
      '"total" has another place among the fields',
    ],
  ])('differ in %s', (_, other, text) => {
    expect(describe(bytes(order), bytes(other))).toBe(`_id "a": ${text}`);
  });
});

group('an _id', () => {
  it('is the same only with type and bytes', () => {
    const keys = [new Int32(5), new Double(5), '5', null].map((_id) => idOf(bytes({ _id })).key);
    expect(new Set(keys).size).toBe(4);
    expect(idOf(bytes({ _id: new Int32(5), more: 1 })).key).toBe(keys[0]);
  });

  it('shows its type', () => {
    expect(idOf(bytes({ _id: new Double(5) })).text).toBe('_id {"$numberDouble":"5.0"}');
  });
});
