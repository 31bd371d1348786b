import { BSON, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { decodeToken, justBefore, timestampMs, tokenTime } from '../../../src/mongo/token.js';

function hex(value: number): string {
  return value.toString(16).padStart(8, '0').toUpperCase();
}

function token(seconds: number, increment: number, rest = '2B0429296E1404'): string {
  return `82${hex(seconds)}${hex(increment)}${rest}`;
}

describe('a token', () => {
  it.each([
    [1_700_000_000, 1],
    [0, 0],
    [0x7fffffff, 0x7fffffff],
    [0xffffffff, 0xffffffff],
    [0x80000000, 0x80000000],
  ])('tells its time: %i.%i', (seconds, increment) => {
    const time = tokenTime(token(seconds, increment));
    expect(time.getHighBitsUnsigned()).toBe(seconds);
    expect(time.getLowBitsUnsigned()).toBe(increment);
    expect(timestampMs(time)).toBe(seconds * 1000);
    expect(time.equals(new Timestamp({ t: seconds, i: increment }))).toBe(true);
  });

  it.each([
    [1_700_000_000, 1, 1_700_000_000, 0],
    [0x80000000, 0, 0x7fffffff, 0xffffffff],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xfffffffe],
  ])('comes after another time: %i.%i', (seconds, increment, earlier, last) => {
    const time = justBefore(tokenTime(token(seconds, increment)));
    expect([time.getHighBitsUnsigned(), time.getLowBitsUnsigned()]).toEqual([earlier, last]);
  });

  it('may be in lower case', () => {
    expect(tokenTime(token(0xabcdef01, 2).toLowerCase()).getHighBitsUnsigned()).toBe(0xabcdef01);
  });

  it('orders as text as it does in the stream', () => {
    const inOrder = [
      token(9, 0xffffffff),
      token(10, 1),
      token(10, 2),
      token(10, 16),
      token(256, 0),
      token(0x7fffffff, 0),
      token(0x80000000, 0),
    ];
    expect(inOrder.toReversed().toSorted()).toEqual(inOrder);
  });

  it.each([
    '',
    '82',
    '83',
    `83${token(1, 1).slice(2)}`,
    'not hexadecimal at all',
    token(1, 1).slice(0, 17),
  ])('of another form is refused: "%s"', (data) => {
    expect(() => tokenTime(data)).toThrow('unknown form');
  });

  it('is decoded from its bytes, with what else it holds', () => {
    const own = { _data: token(1, 2), _typeBits: new BSON.Binary(Buffer.from([1])) };
    expect(decodeToken(BSON.serialize(own))).toMatchObject({ _data: token(1, 2) });
    expect(BSON.serialize(decodeToken(BSON.serialize(own)))).toEqual(BSON.serialize(own));
    for (const other of [{}, { _data: new BSON.Binary(Buffer.from([1])) }, { data: 'x' }]) {
      expect(() => decodeToken(BSON.serialize(other))).toThrow('unknown form');
    }
  });
});
