import { Crowd } from '../crowd.js';
import type { Side } from './compare.js';
import type { ControlDocument } from './control-document.js';
import { emptyRange, type Range, readRange } from './range.js';
import { RawValue } from './raw.js';

/** Changes whose documents are compared in one go. */
const LIMITS = { events: 10_000, bytes: 256 * 1024 * 1024 } as const;
/** Those that are behind share what the worker holds in memory: changes of all, and the fewest of one. */
const OF_ALL = { events: 20_000, least: 500 } as const;
const behind = new Crowd();

/** A stretch of changes, and the `_id`s in it, each once. */
interface Uncompared {
  readonly range: Range;
  readonly ids: readonly RawValue[];
}

/** How it is read. */
interface Reading {
  /** It is known that there are no changes: the position alone has moved. */
  readonly isEmpty?: boolean;
  /** Applications wait for it. */
  readonly isUrgent?: boolean;
}

/**
 * Gives what is applied and was not compared yet by this state, many thousands of changes at a time;
 * nothing when the comparison has not begun.
 */
export async function* readUncompared(
  { db, collection }: Side,
  { replay, verify }: Pick<ControlDocument, 'replay' | 'verify'>,
  signal: AbortSignal,
  { isEmpty, isUrgent }: Reading = {},
): AsyncGenerator<Uncompared> {
  using place = behind.place();
  let after = verify?.through;
  while (after !== undefined && replay.through !== undefined && after < replay.through) {
    const fair = isUrgent ? LIMITS.events : Math.max(OF_ALL.least, behind.share(OF_ALL.events));
    const events = Math.min(LIMITS.events, fair);
    const range = isEmpty
      ? emptyRange(after, replay.through)
      : await readRange(db, collection, after, replay.through, { ...LIMITS, events }, signal);
    place.set(!range.last);
    const keys = new Set(range.changes.map(({ key }) => key));
    yield { range, ids: Array.from(keys, (key) => RawValue.ofKey(key)) };
    after = range.end;
  }
}
