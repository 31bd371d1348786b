import { decode } from './catalogue.js';
import type { RawValue } from './raw.js';

/** Largest number of seconds that a TTL index takes; what servers since 5.0.14 and 6.0.2 make of NaN. */
export const NEVER = 2 ** 31 - 1;

/**
 * Seconds after which a TTL index deletes; nothing for any other index. Always a whole number that
 * every server reads alike: `collMod` of 6.0.5 takes NaN for 0 and would delete all documents,
 * while the same server's `createIndexes` takes it for 2147483647.
 */
export function expirySeconds(value: RawValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = Number(String(decode(value)));
  if (Number.isNaN(seconds)) return NEVER;
  return Math.max(0, Math.min(Math.trunc(seconds), NEVER));
}
