import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { idAt, orderAt, sampleAt } from '../../../demo/documents.js';
import { oddlyNamed, samples } from '../../../demo/values.js';

const COUNT = 2_000;
/** BSON's numbers of all types that the driver can write and a server stores. */
const TYPES = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, -1, 127];

function bytesOf(value: unknown): string {
  return Buffer.from(BSON.serialize({ value })).toString('hex');
}

function typesIn(document: Buffer, found = new Set<number>()): Set<number> {
  for (const [type, , , offset, length] of BSON.onDemand.parseToElements(document)) {
    // The parser takes the type's byte as unsigned.
    found.add(type === 255 ? -1 : type);
    if (type === 3 || type === 4) typesIn(document.subarray(offset, offset + length), found);
  }
  return found;
}

const order = (index: number) => Buffer.from(BSON.serialize(orderAt(index, { oddNames: true })));

const kinds = (oddNames: boolean) =>
  new Set(Array.from({ length: 100 }, (_, index) => sampleAt(index, oddNames).kind));

describe('the documents', () => {
  it('are the same for the same index, byte for byte', () => {
    for (const index of [0, 1, 6, 77, 199_999]) expect(order(index)).toEqual(order(index));
  });

  it('have an _id of their own each, of every type that can be one', () => {
    const ids = Array.from({ length: COUNT }, (_, index) => bytesOf(idAt(index)));
    expect(new Set(ids).size).toBe(COUNT);
    const types = new Set(ids.map((id) => Number.parseInt(id.slice(8, 10), 16)));
    expect([...types].toSorted((a, b) => a - b)).toEqual([
      1, 2, 3, 5, 7, 8, 9, 10, 16, 17, 18, 19, 127, 255,
    ]);
  });

  it('hold every BSON type', () => {
    const found = new Set<number>();
    for (let index = 0; index < samples.length + oddlyNamed.length; index++) {
      typesIn(order(index), found);
    }
    expect([...found].toSorted((a, b) => a - b)).toEqual(TYPES.toSorted((a, b) => a - b));
  });

  it('keep an _id that is null, and one that is given', () => {
    expect(orderAt(0, { oddNames: true })).toHaveProperty('_id', null);
    expect(orderAt(0, { id: 'after', number: 7, oddNames: true })).toMatchObject({
      _id: 'after',
      number: BSON.Long.fromNumber(7),
    });
  });

  it('have integer-like keys in an order of their own', () => {
    const index = samples.findIndex(({ kind }) => kind === 'integer-like keys');
    const bytes = Buffer.from(BSON.serialize(sampleAt(index, false)));
    const [, value] = [...BSON.onDemand.parseToElements(bytes)];
    const [, , , offset = 0, length = 0] = value ?? [];
    const inner = bytes.subarray(offset, offset + length);
    const names = [...BSON.onDemand.parseToElements(inner)].map(([, at, size]) =>
      inner.toString('utf8', at, at + size),
    );
    expect(names).toEqual(['10', '2', 'b', '1', '0', '-1', 'a', '007']);
  });

  it('have odd names only where the server takes them', () => {
    expect(kinds(true).has('dollar keys')).toBe(true);
    expect(kinds(false).has('dollar keys')).toBe(false);
  });
});
