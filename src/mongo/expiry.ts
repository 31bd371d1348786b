import { BSONType } from 'mongodb';
import { decode } from './catalogue.js';
import type { RawValue } from './raw.js';

/** Largest number of seconds that a TTL index takes; what servers since 5.0.14 and 6.0.2 make of NaN. */
export const NEVER = 2 ** 31 - 1;

/** Types of numbers. */
export const numberTypes: readonly number[] = [
  BSONType.double,
  BSONType.int,
  BSONType.long,
  BSONType.decimal,
];

/**
 * Seconds after which a TTL index deletes; nothing for any other index. Servers before 3.4 also took what is no
 * number, `"3600"`, and no server deletes by that. Always a whole number that every server reads alike: `collMod` of
 * 6.0.5 takes NaN for 0 and would delete all documents, while the same server's `createIndexes` takes it for 2147483647.
 */
export function expirySeconds(value: RawValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = numberTypes.includes(value.type) ? Number(String(decode(value))) : NaN;
  if (Number.isNaN(seconds)) return NEVER;
  return Math.max(0, Math.min(Math.trunc(seconds), NEVER));
}
