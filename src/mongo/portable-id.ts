import { isUtf8 } from 'node:buffer';
import { BSON, BSONType } from 'mongodb';
import { asBuffer, fields, type RawValue } from './raw.js';

const { EJSON } = BSON;
/** Subtypes of binary that every reader of Extended JSON knows: generic, UUIDs, MD5, a user's own. */
const plainSubtypes = new Set([0x00, 0x03, 0x04, 0x05, 0x80]);
/** Scalars that have one spelling in canonical Extended JSON; strings and binary are looked into. */
const scalars = new Set<number>([
  BSONType.objectId,
  BSONType.bool,
  BSONType.date,
  BSONType.int,
  BSONType.timestamp,
  BSONType.long,
  BSONType.double,
  BSONType.decimal,
]);

/**
 * Writes an `_id` as canonical Extended JSON, or nothing when it would not come back exactly: both
 * bson in JavaScript and mongodump's own parser read what is written here.
 */
export function cutPointText(id: RawValue): string | undefined {
  if (!isPortable(id)) return undefined;
  try {
    const value = document(id);
    const decoded: unknown = BSON.deserialize(value, { promoteValues: false })['v'];
    const text = EJSON.stringify(decoded, { relaxed: false });
    const back = BSON.serialize({ v: parseCutPoint(text) });
    return Buffer.compare(back, value) === 0 ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Reads what `cutPointText` wrote. */
export function parseCutPoint(text: string): unknown {
  const value: unknown = EJSON.parse(text, { relaxed: false });
  return value;
}

function isPortable({ type, bytes }: RawValue): boolean {
  const buffer = asBuffer(bytes);
  switch (type) {
    case BSONType.string:
      return isUtf8(buffer.subarray(4));
    case BSONType.binData:
      return plainSubtypes.has(buffer[4] ?? -1);
    case BSONType.double:
      return Number.isFinite(buffer.readDoubleLE());
    case BSONType.decimal:
      // The bits 11110 and 11111 after the sign are infinity and NaN.
      return ((buffer[15] ?? 0) & 0x78) !== 0x78;
    case BSONType.object:
      // A field like "$oid" would be read as something else.
      return [...fields(bytes)].every(
        ([name, value]) => !name.startsWith('$') && isPortable(value),
      );
    default:
      return scalars.has(type);
  }
}

function document(id: RawValue): Uint8Array {
  return BSON.serialize({ v: id });
}
