import { setTimeout as sleep } from 'node:timers/promises';
import type { Db, Timestamp } from 'mongodb';
import { Crowd } from '../crowd.js';
import { errorTypes, PermanentError } from '../errors.js';
import { within } from '../within-limit.js';
import type { Buffered } from './buffer.js';
import { type ChangeEvent, resumeAfter } from './change-event.js';
import { storeChanges, type StoredChanges } from './change-store.js';
import { BATCH_EVENTS, type ChangeBatch, ChangeStream } from './change-stream.js';
import { type ReadLimits, ReadPace } from './pace.js';
import type { SharedStream } from './shared-stream.js';
import { type ResumeToken, timestampMs, justBefore, tokenTime } from './token.js';

/** Batches read from the stream and not yet in the buffer: back-pressure towards the source. */
const MAX_IN_FLIGHT = 3;
/** Replies that are taken one after the other before that. */
const FIRST_ALONE = 3;
/** Seconds between a stream's token and the server's time that are none: both are cut to whole ones. */
const NEAR_SECONDS = 1;
/**
 * After so many ms without a reply the source is asked whether it is there, and has so many to say so. One that finds
 * nothing for the collection reads its oplog to the end before it answers, which takes as long as it takes.
 */
const SILENCE_MS = { untilAsked: 10_000, untilGone: 50_000 } as const;
/** So many times as long as until it is asked, a stream that has answered may be silent. */
const SILENT_TIMES = 5;
/** What is read back under a limit is put into the buffer after so many seconds, so that an end loses no more. */
const SLICE_SECONDS = 2;
/**
 * The same without a limit, in bytes of documents: a reply has thousands of events, whatever their documents weigh. Half
 * of what is put into the buffer together.
 */
const SLICE_BYTES = 8 * 1024 * 1024;
/**
 * Those that are behind share what the worker holds in memory: events of a reply of each, and bytes of a slice, all
 * together. As much as a few of them take that are alone.
 */
const OF_ALL = { events: 20_000, bytes: 16 * SLICE_BYTES, leastBytes: 1024 * 1024 } as const;
/** A full reply of fewer events, of several that read a stream together, is nothing that fills the memory. */
const FEW_EVENTS = 250;
/** What a reply of the stream may be worth under a limit, in seconds: a cursor that nobody reads lives for ten minutes. */
const REPLY_SECONDS = 60;

const behind = new Crowd();

/** What is durable in the buffer now; handed over in stream order. */
export interface CaptureCommit {
  /** Go on from here. */
  readonly token: ResumeToken;
  readonly time: Timestamp;
  /** Wall-clock time up to which the source's changes are known. */
  readonly asOf: Date;
  /** The same for what has been read and may not be in the buffer yet. */
  readonly readAsOf: Date;
  /** Events, kept changes and bytes since the last commit. */
  readonly events: number;
  readonly buffered: number;
  readonly bytes: number;
  /** How many have read it together; missing where it came from a stream of its own. */
  readonly sharedBy: number | undefined;
}

export interface CaptureOptions {
  readonly source: Db;
  readonly collection: string;
  readonly buffer: Buffered;
  readonly start: ResumeToken;
  /** The stream of the database, for what is read there by several at once. */
  readonly shared?: SharedStream | undefined;
  /** Stop once all events up to this cluster time are in the buffer. Without it: never. */
  readonly until?: Timestamp;
  /** How fast documents are read back, looked at again and again; without it as fast as it goes. */
  readonly limits?: ReadLimits | undefined;
  /** Keep a document's first change beside its last: it says where it stands in a capped collection. */
  readonly natural: boolean;
  /** The collection is clustered at the source. */
  readonly clustered?: boolean | undefined;
  /** Asked before each request, and between parts of a large reply; with `false` it ends. */
  readonly mayRead?: () => boolean;
  /** Longest wait for new events per request, in ms. */
  readonly maxAwaitMs: number;
  readonly signal: AbortSignal;
  /** Called when the work has moved. */
  readonly touch?: () => void;
  /** Called again and again while it waits for a reply that takes long, or for its limits. */
  readonly onWait?: (what: 'reply' | 'limit') => Promise<void>;
  /** In place of `SILENCE_MS.untilAsked`, for tests. */
  readonly silenceMs?: number;
  /** Called after the changes are in the buffer by majority, one call at a time, in order. */
  readonly onCommit: (commit: CaptureCommit) => Promise<void>;
}

interface InFlight {
  readonly batch: ChangeBatch;
  /** Where among its events the stream ends; -1 where it goes on. */
  readonly end: number;
  stored?: StoredChanges;
  /** From where to go on after it; nothing when the stream ends with its first event. */
  token?: ResumeToken | undefined;
}

/**
 * Reads the change stream from `start` and keeps every change in the buffer, with the document as
 * it is at the source by then (read back raw, by majority, not before the event's own time): newer
 * than the event is right, because the newer change follows in the stream.
 * @throws PermanentError ChangeStreamEnded on drop, rename, dropDatabase or invalidate, after what
 * came before is in the buffer.
 */
export async function captureChanges(options: CaptureOptions): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const pace =
    options.limits &&
    new ReadPace(options.limits, {
      wait: async (ms) => {
        options.touch?.();
        await options.onWait?.('limit');
        await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
      },
    });
  const queue: InFlight[] = [];
  const settled = new Set<Promise<void>>();
  let committing: Promise<void> | undefined;

  const commitStored = async (): Promise<void> => {
    while (queue[0]?.stored) {
      const ready = queue.splice(0, countStored(queue));
      const last = ready.findLast(({ token }) => token !== undefined);
      if (last?.token) {
        await options.onCommit(toCommit(ready, last, last.token, queue.at(-1) ?? last));
      }
    }
  };
  const track = async (entry: InFlight): Promise<void> => {
    const { batch, end } = entry;
    const { events, token } = batch;
    const changes = end < 0 ? events : events.slice(0, end);
    const stored = await storeChanges({ ...options, pace }, changes, signal);
    // Not from where the stream has ended: a server goes on from no `invalidate`.
    const last = changes.at(-1);
    entry.token = end < 0 ? token : last && resumeAfter(last);
    entry.stored = stored;
    while (queue.includes(entry) && entry.stored) {
      committing ??= commitStored().finally(() => (committing = undefined));
      await committing;
      if (queue[0] !== entry) break;
    }
    if (end >= 0) throw streamEnded(options, events[end]?.operation ?? 'invalidate');
  };

  const { source, collection, start, shared, maxAwaitMs } = options;
  const mayRead = options.mayRead ?? (() => true);
  const mostEvents = () => {
    // For what has to come to its end applications wait.
    const share = options.until ? Infinity : behind.share(OF_ALL.events);
    const fair = Math.max(FEW_EVENTS, Math.min(BATCH_EVENTS, share));
    return Math.min(fair, pace?.worth(REPLY_SECONDS) ?? fair);
  };
  const reading = { signal, maxAwaitMs, mostEvents };
  const stream =
    shared?.subscribe({ source, collection, start, ...reading }) ??
    (await ChangeStream.follow(source, collection, start, reading));
  using place = behind.place();
  let alone = FIRST_ALONE;
  let hasAnswered = false;
  try {
    while (mayRead()) {
      const batch = await untilReply(stream.next(), options, hasAnswered);
      hasAnswered = true;
      signal.throwIfAborted();
      place.set(batch.isFull && batch.events.length >= FEW_EVENTS);
      const end = batch.events.findIndex(({ id }) => !id);
      // One after the other at first: then it is known how large documents are, and how many make a part of a reply.
      if (batch.events.length > 0 && alone-- > 0) await Promise.all(settled);
      let isFirst = true;
      for (const part of pace && end < 0 ? sliced(batch, pace) : [batch]) {
        // What is left of it is read again: a reply may be worth more than the buffer may hold.
        if (!isFirst && !mayRead()) break;
        isFirst = false;
        const entry: InFlight = { batch: part, end };
        queue.push(entry);
        const work = track(entry)
          .catch((error: unknown) => failed.abort(error))
          .finally(() => settled.delete(work));
        settled.add(work);
        while (settled.size >= MAX_IN_FLIGHT) await Promise.race(settled);
        signal.throwIfAborted();
      }
      if (options.until && hasReached(batch, options.until)) break;
      // What follows is of another collection of its name.
      if (end >= 0) break;
    }
    await Promise.all(settled);
    failed.signal.throwIfAborted();
  } catch (error) {
    await Promise.allSettled(settled);
    throw failed.signal.aborted ? failed.signal.reason : error;
  } finally {
    await stream.close();
  }
}

/**
 * A reply that is empty, or whose token is past the time, has left nothing out up to it. A token at
 * the time itself may stand between two events of one transaction, which share their time.
 */
function hasReached({ events, token }: ChangeBatch, until: Timestamp): boolean {
  const time = tokenTime(token._data);
  return events.length === 0 ? time.greaterThanOrEqual(until) : time.greaterThan(until);
}

function countStored(queue: readonly InFlight[]): number {
  const open = queue.findIndex(({ stored }) => !stored);
  return open < 0 ? queue.length : open;
}

function toCommit(
  ready: readonly InFlight[],
  last: InFlight,
  token: ResumeToken,
  read: InFlight,
): CaptureCommit {
  const sum = (pick: 'events' | 'buffered' | 'bytes') =>
    ready.reduce((total, { stored }) => total + (stored?.[pick] ?? 0), 0);
  const time = tokenTime(token._data);
  return {
    token,
    // A full reply may end within a transaction, of which all changes have the same time.
    time: last.batch.isFull ? justBefore(time) : time,
    asOf: knownUpTo(last),
    readAsOf: knownUpTo(read),
    events: sum('events'),
    buffered: sum('buffered'),
    bytes: sum('bytes'),
    sharedBy: last.batch.sharedBy,
  };
}

/**
 * A reply that is at the source's own time, and not full, has left nothing out when it came. Others end
 * where their token stands: full ones, and those of a server that still reads its oplog.
 */
function knownUpTo({ batch }: InFlight): Date {
  const reached = tokenTime(batch.token._data);
  const now = batch.operationTime?.getHighBitsUnsigned() ?? 0;
  const isBehind = now - reached.getHighBitsUnsigned() > NEAR_SECONDS;
  return batch.isFull || isBehind ? new Date(timestampMs(reached)) : batch.receivedAt;
}

/** A reply in parts, each worth about so many seconds of the pace, from whose ends a stream goes on as well. */
function* sliced(batch: ChangeBatch, pace: ReadPace): Generator<ChangeBatch> {
  let { events } = batch;
  for (;;) {
    const end = events.length > 0 ? endOfSlice(events, mostOfSlice(pace)) : 0;
    const last = end < events.length ? events[end - 1] : undefined;
    if (!last) break;
    yield { ...batch, events: events.slice(0, end), token: resumeAfter(last), isFull: true };
    events = events.slice(end);
  }
  yield { ...batch, events };
}

function mostOfSlice(pace: ReadPace): number {
  const fair = Math.max(OF_ALL.leastBytes, behind.share(OF_ALL.bytes));
  const bytes = Math.min(SLICE_BYTES, fair);
  return Math.min(pace.worth(SLICE_SECONDS), pace.fitting(bytes));
}

/** Not amid a transaction, unless it is a long one: what is applied of one looks different for as long. */
function endOfSlice(events: readonly ChangeEvent[], most: number): number {
  let end = most;
  const timeAt = (index: number) => events[index]?.time.toBigInt();
  while (end < Math.min(events.length, 2 * most) && timeAt(end) === timeAt(end - 1)) end++;
  return end;
}

/**
 * Waits for a reply, the first one for as long as the source searches its oplog for it.
 * @throws Error when neither the reply comes nor the source says that it is there; or when a stream that has answered
 *   does so no more: its connection may be gone without a word, and another one goes on.
 */
async function untilReply<T>(
  reply: Promise<T>,
  options: CaptureOptions,
  hasAnswered: boolean,
): Promise<T> {
  const { source, touch, onWait, silenceMs = SILENCE_MS.untilAsked } = options;
  const until = hasAnswered ? performance.now() + SILENT_TIMES * silenceMs : Infinity;
  // Whoever loses patience does not wait for its failure.
  reply.catch(() => undefined);
  for (;;) {
    if (performance.now() > until)
      throw new Error('the change stream has not answered for a minute');
    const answered = await within(silenceMs, reply);
    if (answered) return answered.value;
    const asked = source.command({ ping: 1 });
    asked.catch(() => undefined);
    if (!(await within(SILENCE_MS.untilGone, Promise.race([reply, asked])))) {
      throw new Error('the source has not answered for a minute');
    }
    touch?.();
    await onWait?.('reply');
  }
}

function streamEnded({ source, collection }: CaptureOptions, operation: string): PermanentError {
  const namespace = `${source.databaseName}.${collection}`;
  const what: Readonly<Record<string, string>> = {
    drop: 'was dropped',
    rename: 'was renamed, or another collection was renamed to its name',
    dropDatabase: 'went with its database, which was dropped',
  };
  return new PermanentError(
    errorTypes.streamEnded,
    `${namespace} at the source ${what[operation] ?? `ended its change stream (${operation})`}; ` +
      'a migration follows one collection from start to end: start a new one for what is there now',
  );
}
