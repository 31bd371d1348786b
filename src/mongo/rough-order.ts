import { BSONType } from 'mongodb';
import { asBuffer, latin1, type RawValue } from './raw.js';

/** Text and binaries begin with their length. */
const PREFIXED: readonly number[] = [BSONType.string, BSONType.binData, BSONType.symbol];

/** Of which all of one kind are sorted as a server does. */
const ORDERED: readonly number[] = [
  BSONType.int,
  BSONType.long,
  BSONType.double,
  BSONType.date,
  BSONType.objectId,
  BSONType.string,
  BSONType.binData,
];

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

/** Whether `sortRoughly` sorts these as the server does without a collation. */
export function isOrderKnown(ids: readonly RawValue[]): boolean {
  const [first] = ids;
  if (!first) return true;
  const { type, bytes } = first;
  if (!ORDERED.includes(type) || ids.some((id) => id.type !== type)) return false;
  // A server orders binaries by their length first, and NaN before all numbers.
  if (type === BSONType.binData) return ids.every((id) => id.bytes.length === bytes.length);
  return type !== BSONType.double || !ids.some((id) => Number.isNaN(roughKey(id)));
}

function roughKey({ type, bytes }: RawValue): number | bigint | string {
  const buffer = asBuffer(bytes);
  if (type === BSONType.int) return buffer.readInt32LE();
  if (type === BSONType.double) return buffer.readDoubleLE();
  if (type === BSONType.long || type === BSONType.date) return buffer.readBigInt64LE();
  return latin1(PREFIXED.includes(type) ? buffer.subarray(4) : buffer);
}
