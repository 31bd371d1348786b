import { BSONType } from 'mongodb';
import { asBuffer, latin1, type RawValue } from './raw.js';

/** Text and binaries begin with their length. */
const PREFIXED: readonly number[] = [BSONType.string, BSONType.binData, BSONType.symbol];

/**
 * Sorts by `_id` like the server's own index where all of them are of one kind, as they mostly are; otherwise in
 * some order. For speed alone: a server that finds neighbours one after the other writes each page of a collection once.
 */
export function sortRoughly<T>(items: readonly T[], idOf: (item: T) => RawValue): T[] {
  return items
    .map((item) => ({ item, key: roughKey(idOf(item)) }))
    .toSorted(({ key: one }, { key: other }) => (one === other ? 0 : one < other ? -1 : 1))
    .map(({ item }) => item);
}

function roughKey({ type, bytes }: RawValue): number | bigint | string {
  const buffer = asBuffer(bytes);
  if (type === BSONType.int) return buffer.readInt32LE();
  if (type === BSONType.double) return buffer.readDoubleLE();
  if (type === BSONType.long || type === BSONType.date) return buffer.readBigInt64LE();
  return latin1(PREFIXED.includes(type) ? buffer.subarray(4) : buffer);
}
