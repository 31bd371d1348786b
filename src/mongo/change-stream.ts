import type { Db, Timestamp } from 'mongodb';
import { type ChangeEvent, changeStreamPipeline, parseEvent } from './change-event.js';
import { type RawBatch, RawCursor } from './raw-cursor.js';
import { decodeToken, type ResumeToken, timestampMs, tokenTime } from './token.js';

/** Events per reply at most, so that a batch's read-back stays one short query. */
export const BATCH_EVENTS = 10_000;
/**
 * Events of the first reply; as long as replies are full, each has twice as many as the one before. Who is ended amid the
 * first one has come no further, and the next attempt is not luckier with one of the same size.
 */
const FIRST_EVENTS = 250;
/** Above this size a reply ended because it was full, not because the stream was at its end. */
const FULL_REPLY_BYTES = 8 * 1024 * 1024;
const START_AWAIT_MS = 100;
/** How far behind the source's time a reader may be to read with others: so much is read again by all. */
const NEAR_MS = 10_000;

/** One reply of a change stream. */
export interface ChangeBatch {
  readonly events: readonly ChangeEvent[];
  /** From where to go on after it. */
  readonly token: ResumeToken;
  /** The server's cluster time when it answered. */
  readonly operationTime: Timestamp | undefined;
  readonly receivedAt: Date;
  /** Whether it ended because it was full, and there was more. */
  readonly isFull: boolean;
  /** How many read it together. */
  readonly sharedBy?: number;
}

/** What the server has answered, and when. */
interface Reply extends Pick<ChangeBatch, 'receivedAt' | 'isFull'> {
  readonly batch: RawBatch;
}

/** Where changes come from. */
export interface ChangeSource {
  /** The next reply; without events when there is nothing new for a while. */
  next(): Promise<ChangeBatch>;
  close(): Promise<void>;
}

/** How a stream is read. */
export interface ReadOptions {
  readonly signal: AbortSignal;
  /** Longest wait for new events per request, in ms. */
  readonly maxAwaitMs: number;
  /** Events per reply at most, where that is less than usual: what is read has to be taken before the cursor dies. */
  readonly mostEvents?: (() => number) | undefined;
}

/** How many events a reply may have. */
class ReplySize {
  readonly #limit: () => number;
  #events = FIRST_EVENTS;

  constructor(limit: () => number = () => BATCH_EVENTS) {
    this.#limit = limit;
  }

  get events(): number {
    return Math.min(this.#events, this.#limit());
  }

  /** Whether somebody wants fewer than are usual. */
  get isLimited(): boolean {
    return this.#limit() < BATCH_EVENTS;
  }

  grow(): void {
    this.#events = Math.min(BATCH_EVENTS, this.#events * 2);
  }
}

/** A change stream of a collection or of its database, read without decoding. */
export class ChangeStream implements ChangeSource, AsyncDisposable {
  readonly #cursor: RawCursor;
  readonly #size: ReplySize;
  /** The reply after a full one, asked for while that is taken in. */
  #ahead: Promise<Reply> | undefined;
  /** Token of the reply that opened it: it stands between events. */
  readonly start: ResumeToken;

  private constructor(cursor: RawCursor, start: ResumeToken, size: ReplySize) {
    this.#cursor = cursor;
    this.#size = size;
    this.start = start;
  }

  /** @param collection 1 for the whole database. */
  static async open(
    db: Db,
    collection: string | 1,
    pipeline: readonly object[],
    { signal, maxAwaitMs, mostEvents }: ReadOptions,
  ): Promise<ChangeStream> {
    const size = new ReplySize(mostEvents);
    const cursor = await RawCursor.open(
      db,
      {
        aggregate: collection,
        pipeline,
        cursor: { batchSize: 0 },
        readConcern: { level: 'majority' },
      },
      {
        signal,
        maxAwaitMs,
        get batchSize() {
          return size.events;
        },
      },
    );
    try {
      return new ChangeStream(cursor, tokenOf(await cursor.next()), size);
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  /** Opens the stream of a collection after a token. */
  static follow(
    db: Db,
    collection: string,
    resumeAfter: ResumeToken,
    options: ReadOptions,
  ): Promise<ChangeStream> {
    return ChangeStream.open(db, collection, changeStreamPipeline({ resumeAfter }), options);
  }

  /** Whether the server has ended it. */
  get exhausted(): boolean {
    return this.#cursor.exhausted && !this.#ahead;
  }

  async next(): Promise<ChangeBatch> {
    const asked = this.#ahead ?? this.#ask();
    this.#ahead = undefined;
    const { batch, receivedAt, isFull } = await asked;
    // What is read under a limit waits for long, and so would the next reply.
    if (isFull && !this.#size.isLimited && !this.#cursor.exhausted) {
      this.#ahead = this.#ask();
      // It fails for whoever takes it.
      this.#ahead.catch(() => undefined);
    }
    return {
      events: batch.documents.map(parseEvent),
      token: tokenOf(batch),
      operationTime: batch.operationTime,
      receivedAt,
      isFull,
    };
  }

  async #ask(): Promise<Reply> {
    const most = this.#size.events;
    const batch = await this.#cursor.next();
    const isFull = batch.documents.length >= most || batch.bytes >= FULL_REPLY_BYTES;
    if (isFull) this.#size.grow();
    return { batch, receivedAt: new Date(), isFull };
  }

  async close(): Promise<void> {
    await this.#cursor.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens the stream only to read where it stands: the token from which every later change is seen.
 */
export async function readStartToken(
  source: Db,
  collection: string | 1,
  signal: AbortSignal = new AbortController().signal,
): Promise<ResumeToken> {
  const options = { signal, maxAwaitMs: START_AWAIT_MS };
  await using stream = await ChangeStream.open(
    source,
    collection,
    changeStreamPipeline({}),
    options,
  );
  return stream.start;
}

/** Whether a reply ends about where the source is. */
export function isNear({ token, operationTime, isFull }: ChangeBatch): boolean {
  if (isFull || !operationTime) return false;
  return timestampMs(operationTime) - timestampMs(tokenTime(token._data)) <= NEAR_MS;
}

function tokenOf({ resumeToken }: RawBatch): ResumeToken {
  if (resumeToken) return decodeToken(resumeToken);
  throw new Error('the source gave no resume token: it has to be MongoDB 4.2 or newer');
}
