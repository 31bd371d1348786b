import { Crowd } from '../crowd.js';
import { failpoint } from '../failpoint.js';
import { checkBuffer } from './buffer.js';
import { FencedError } from './control.js';
import type { ControlDocument, ReplayState } from './control-document.js';
import { appliedAsOf, isAllApplied, isAllCompared } from './lag.js';
import { isLate } from './merge.js';
import { cutAtInsertedAgain, emptyRange, type Range, readRange } from './range.js';
import { Rate } from './rate.js';
import { applyRange, pruneBuffer, type ReplayTarget, retryRefused } from './replay.js';
import { justBefore, timestampMs, tokenTime } from './token.js';

/**
 * Events per range. Of changes that are spread, a larger range has more for each page of the collection, which the
 * target writes once for it (docs/performance.md).
 */
const RANGE_EVENTS = 1_000_000;
/** Of these the worker keeps so many, some 150 bytes each, until it has collected its garbage those of ranges before, too. */
const KEPT_EVENTS = 200_000;
/**
 * Events of the first range of an attempt: one that is ended before it has applied a range has come no further, and the
 * next one is not luckier with a range of the same size.
 */
const FIRST_EVENTS = 500;
/** Events per range of a capped collection, which is written in the order of changes whatever the size. */
const CAPPED_EVENTS = 50_000;
/** Events per range of a stretch in which the target does not take something: the worker writes all of each that has it. */
const REFUSED_EVENTS = 50_000;
/**
 * What a range is to take, in ms, and more than which makes the next one smaller: so much is repeated after a crash.
 * Where the worker writes each document, a large range saves nothing.
 */
const RANGE_MS = { merged: 30_000, written: 5_000, slow: 45_000 } as const;
/** By how much ranges grow at most. */
const GROWTH = 4;
/** To so many events ranges shrink at a target that does not apply one within the time limit of its command. */
const LEAST_EVENTS = 100;
/** Bytes of a range, of which the server holds some parts in memory at a time (`mergeRange`). */
const RANGE_BYTES = 512 * 1024 * 1024;
/** Those that are behind share what worker and server hold in memory: little more than one takes that is alone. */
const OF_ALL = { kept: 240_000, bytes: RANGE_BYTES, leastBytes: 1024 * 1024 } as const;
const behind = new Crowd();
/** Applied events that are removed from the buffer in one go. */
const PRUNE_EVENTS = 50_000;

/** The position of a replay that has nothing to apply is written after so many ms: many such may share a worker. */
const QUIET_MS = 3_000;

/** Rest between two tries of documents that the target did not take: least time in ms, times what one took. */
const RETRY = { leastMs: 60_000, times: 20 };

export interface ReplayProgress {
  readonly applied: number;
  readonly rate: number;
  readonly asOf: Date | undefined;
}

export interface ReplayLoop extends ReplayTarget {
  readonly start: ReplayState;
  /**
   * Waits for new data, and may give the control document as it is by then; without it the loop ends when all
   * that is captured is applied.
   */
  readonly idle?: () => Promise<ControlDocument | void>;
  /** Changes that may be applied at once, as somebody has set it; nothing is as many as are fastest. */
  readonly batch?: (document: ControlDocument) => number | undefined;
  readonly onProgress: (progress: ReplayProgress) => void;
}

/**
 * Applies ranges up to captured-through, again and again. Applied-through moves only after the
 * range is durable by majority.
 * @returns changes applied by this call.
 * @throws FencedError when another attempt has taken over.
 */
export async function replayRanges(loop: ReplayLoop): Promise<number> {
  const { control, epoch, signal, start, idle } = loop;
  const rate = new Rate();
  const pruning = new Pruning(loop);
  let { through } = start;
  let applied = 0;
  /** Changes that had been put into the buffer when it was last read. */
  let buffered = Number.POSITIVE_INFINITY;
  /** The same when all of them were applied. */
  let drained: number | undefined;
  let advancedAt = Number.NEGATIVE_INFINITY;
  // What has to come to its end is not ended and tried again.
  let most = idle ? FIRST_EVENTS : KEPT_EVENTS;
  const isWritten = loop.capped || loop.exactOnly;
  const usualMs = isWritten ? RANGE_MS.written : RANGE_MS.merged;
  /** Up to here there is something that the target does not take. */
  let refusedUpTo = '';
  const isSieved = () => !isWritten && (through ?? '') >= refusedUpTo;
  // For what has to come to its end applications wait.
  const share = (ofAll: number) => (idle ? behind.share(ofAll) : ofAll);
  const mostKept = () => Math.max(FIRST_EVENTS, Math.min(KEPT_EVENTS, share(OF_ALL.kept)));
  const largest = () => {
    if (isSieved()) return RANGE_EVENTS;
    if (loop.exactOnly && !loop.capped) return mostKept();
    return Math.min(mostKept(), loop.capped ? CAPPED_EVENTS : REFUSED_EVENTS);
  };
  let retryAt = 0;
  /**
   * Refused documents are not tried again before: what is captured may have mended them, and each of them costs a read.
   * Nor by a loop that has to come to its end, for which applications wait.
   */
  let hasCaughtUp = false;
  /** As somebody has just written it, and as this has: reading it again would tell nothing new. */
  let known: ControlDocument | void = undefined;
  let own: ControlDocument | undefined;
  let last: ControlDocument | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  const read = async (after: string | undefined, upTo: string) => {
    const bytes = Math.max(OF_ALL.leastBytes, share(OF_ALL.bytes));
    const sieve = isSieved() && { known: await loop.refusals.keys(), most: mostKept() };
    const limits = { events: most, bytes, ...(sieve && { sieve }) };
    return readRange(loop.db, loop.collection, after, upTo, limits, signal);
  };
  const look = async (): Promise<ControlDocument> => {
    if (own || !known) return own ?? control.read();
    if (known.replay.epoch !== epoch) return control.read();
    if ((known.capture.through?._data ?? '') > (through ?? '')) return known;
    // One that tells of nothing new may be older than what is known: without the comparison, which keeps changes.
    return last && performance.now() - lookedAt < QUIET_MS ? last : control.read();
  };
  using place = behind.place();
  /** What is left of a range that was cut. */
  let rest: Range | undefined;
  try {
    for (;;) {
      signal.throwIfAborted();
      const document: ControlDocument = await look();
      if (document !== last) lookedAt = performance.now();
      [own, known, last] = [undefined, undefined, document];
      const { capture, replay, verify, refused, bufferUuid } = document;
      const atOnce = Math.min(largest(), loop.batch?.(document) ?? largest());
      most = Math.min(most, atOnce);
      if (replay.epoch !== epoch) throw new FencedError('replay');
      if (hasCaughtUp && refused && refused.count > 0 && Date.now() >= retryAt) {
        const begun = Date.now();
        await retryRefused(loop, capture.time);
        retryAt = Date.now() + Math.max(RETRY.leastMs, RETRY.times * (Date.now() - begun));
      }
      const upTo = capture.through?._data;
      const isThere = upTo === undefined || (through !== undefined && upTo <= through);
      // The position alone has moved since.
      const isQuiet = capture.buffered === drained;
      const mayRest = idle && isQuiet && isAllApplied(document);
      if (isThere || (mayRest && performance.now() - advancedAt < QUIET_MS)) {
        const asOf = appliedAsOf(document);
        loop.onProgress({ applied: start.events + applied, rate: rate.add(0), asOf });
        if (!idle) return applied;
        drained = capture.buffered;
        place.set(false);
        hasCaughtUp = true;
        buffered = capture.buffered;
        pruning.start(through, verify?.through, true);
        known = await idle();
        continue;
      }
      // What is before the start is a late write of a migration before this one.
      const after = through ?? document.startToken?._data;
      const kept = isQuiet ? emptyRange(after, upTo) : rest;
      // One that was read before somebody has asked for smaller ones is too large.
      const whole = kept && kept.count <= most ? kept : await read(after, upTo);
      let range = whole;
      [range, rest] = loop.capped ? cutAtInsertedAgain(whole) : [whole, undefined];
      // Changes were put there, and nothing is found.
      const isSuspect = range.count === 0 && capture.buffered > buffered;
      if (isSuspect) await checkBuffer(loop.db, loop.collection, bufferUuid);
      buffered = capture.buffered;
      place.set(!whole.last);
      if (range.count > 0) {
        const begun = performance.now();
        try {
          if (!(await applyRange(loop, range))) {
            refusedUpTo = range.end;
            loop.touch();
            continue;
          }
          const ms = performance.now() - begun;
          // One that is not full says nothing of one that is.
          const isSlow = ms > RANGE_MS.slow;
          if (isSlow) most = Math.min(most, Math.max(FIRST_EVENTS, range.count));
          if (whole.full || isSlow) most = Math.min(atOnce, nextSize(most, ms, usualMs));
        } catch (error) {
          if (!isLate(error) || most <= LEAST_EVENTS) throw error;
          // That is no standing still: the next one is smaller.
          loop.touch();
          rest = undefined;
          most = Math.max(LEAST_EVENTS, Math.floor(Math.min(most, range.count) / 4));
          continue;
        }
        failpoint('range-applied');
      }
      const events = start.events + applied + range.count;
      const time = tokenTime(range.end);
      const asOf = range.last ? capture.asOf : new Date(timestampMs(time));
      const perSecond = rate.add(range.count);
      // One that came before what this has written last says nothing of what that has applied.
      const isFirst = replay.events === start.events + applied && isAllCompared(document);
      const from = range.from && isFirst && new Date(timestampMs(range.from));
      own = await control.advance(
        'replay',
        epoch,
        {
          through: range.end,
          // A range may end within a transaction, of which all changes have the same time.
          time: range.last ? (capture.time ?? time) : justBefore(time),
          rate: perSecond,
          ...(asOf && { asOf }),
          ...(range.last && { drained: { captured: capture.buffered, events } }),
          ...(from && { uncomparedFrom: from }),
        },
        { events: range.count },
      );
      advancedAt = performance.now();
      if (range.last) drained = capture.buffered;
      hasCaughtUp ||= idle !== undefined && range.last;
      through = range.end;
      applied += range.count;
      pruning.add(range.count);
      // After a cutover it goes with the buffer.
      if (idle) pruning.start(through, verify?.through, false);
      loop.onProgress({ applied: start.events + applied, rate: perSecond, asOf });
    }
  } finally {
    await pruning.end();
  }
}

/** Events of the next range, after one of `most` has taken so long in place of `usualMs`. */
function nextSize(most: number, ms: number, usualMs: number): number {
  // Not further: that with which an attempt begins has to be applied anyway.
  if (ms > RANGE_MS.slow) return Math.max(Math.min(most, FIRST_EVENTS), most >> 1);
  return Math.floor(most * Math.max(1, Math.min(GROWTH, usualMs / ms)));
}

/** Removes changes that are done with beside the replay, one command at a time. */
class Pruning {
  readonly #loop: ReplayLoop;
  /** Not none at first: an earlier attempt may have left some. */
  #waiting = 1;
  #through = '';
  /** Up to here nothing is left. */
  #removed = '';
  #running: Promise<void> | undefined;

  constructor(loop: ReplayLoop) {
    this.#loop = loop;
  }

  /** Counts changes that were applied. */
  add(applied: number): void {
    this.#waiting += applied;
  }

  /** Once the comparison has begun, only what it has compared is no longer needed. */
  start(applied: string | undefined, compared: string | undefined, isIdle: boolean): void {
    const through =
      applied !== undefined && compared !== undefined && compared < applied ? compared : applied;
    const isDue = isIdle ? this.#waiting > 0 : this.#waiting >= PRUNE_EVENTS;
    if (through === undefined || through <= this.#through || this.#running || !isDue) return;
    if (through === applied) this.#waiting = 0;
    this.#through = through;
    // What is not removed now goes with the buffer at the end.
    this.#running = pruneBuffer(this.#loop.db, this.#loop.collection, this.#removed, through)
      .then(() => void (this.#removed = through))
      .catch(() => undefined)
      .finally(() => (this.#running = undefined));
  }

  async end(): Promise<void> {
    await this.#running;
  }
}
