import { BSON, Timestamp } from 'mongodb';
import { expect, it } from 'vitest';
import { alone, bundle, decodeBundle, keysBetween } from '../../../src/mongo/bundle.js';
import { type Change, encodeChange } from '../../../src/mongo/change.js';
import { rawOf } from '../../helpers/bson.js';

const tokenOf = (n: number) => `82${n.toString(16).toUpperCase().padStart(6, '0')}04`;

function changesOf(count: number, bytes = 500, first = 0): Change[] {
  return Array.from({ length: count }, (_, index) => {
    const n = first + index;
    const document = Buffer.from(BSON.serialize({ _id: n, text: 'x'.repeat(bytes) }));
    const token = tokenOf(n);
    const time = new Timestamp({ t: 1_700_000_000 + n, i: 7 });
    return { token, time, bytes: encodeChange(token, rawOf(n), document) };
  });
}

const lengthsOf = (bundles: Map<Buffer, readonly Change[]>) =>
  [...bundles.values()].map(({ length }) => length);

it.each([1, 2, 99, 100, 101, 250])('what is put together from %i changes, bson reads', (count) => {
  const changes = changesOf(count);
  const bundles = bundle(changes, 'mark');
  const found: number[] = [];
  for (const [bytes, its] of bundles) {
    expect(bytes.readInt32LE()).toBe(bytes.length);
    const { _id, t, c, ...rest } = BSON.deserialize(bytes);
    expect(rest).toEqual({});
    const last = its.at(-1)?.token ?? '';
    expect(_id).toBe(its.length > 1 ? `${last}!mark` : last);
    expect((t as Timestamp).toBigInt()).toBe(its[0]?.time.toBigInt());
    const [head, encoded] = decodeBundle(bytes);
    expect(head).toEqual({ key: _id, token: last, from: its[0]?.time });
    expect(encoded).toEqual(its.map((change) => change.bytes));
    found.push(...(c as { k: { i: number } }[]).map(({ k }) => k.i));
  }
  expect(found).toEqual(Array.from({ length: count }, (_, n) => n));
});

it('a bundle has 100 changes or 128 kB at most, or a single change', () => {
  expect(lengthsOf(bundle(changesOf(250), 'm'))).toEqual([100, 100, 50]);
  expect(lengthsOf(bundle(changesOf(10, 40_000), 'm'))).toEqual([3, 3, 3, 1]);
  expect(lengthsOf(bundle(changesOf(2, 1_000_000), 'm'))).toEqual([1, 1]);
  expect(bundle([], 'm').size).toBe(0);
});

it('keys lie between tokens, whoever has put the changes together', () => {
  const isBetween = (key: string, after: string | undefined, upTo: string) => {
    const { $gte = '', $lt = '' } = keysBetween(after, upTo) as Record<string, string>;
    return key >= $gte && key < $lt;
  };
  const [before, here, longer, next] = ['8201', '8202', '820200', '8203'];
  for (const key of [here, `${here}!0`, `${here}!ffffffff`]) {
    expect(isBetween(key, before, here)).toBe(true);
    expect(isBetween(key, undefined, here)).toBe(true);
    expect(isBetween(key, '', longer)).toBe(true);
    expect(isBetween(key, here, next)).toBe(false);
    expect(isBetween(key, undefined, before)).toBe(false);
  }
  expect(isBetween(longer, here, next)).toBe(true);
  expect(isBetween(`${longer}!a`, here, longer)).toBe(true);
});

it('what is none is refused', () => {
  const change = Buffer.from(BSON.serialize({ _id: 'x', o: 'u', k: { i: 1 }, n: 1, d: {} }));
  expect(() => decodeBundle(change)).toThrow('not ours');
  const [one] = changesOf(1);
  if (one) expect(decodeBundle(alone(one))[0].key).toBe(one.token);
});
