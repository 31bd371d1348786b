import type { Db } from 'mongodb';
import type { ChangeEvent } from './change-event.js';
import {
  type ChangeBatch,
  type ChangeSource,
  ChangeStream,
  type ReadOptions,
} from './change-stream.js';
import { type ResumeToken, timestampMs, tokenTime } from './token.js';

/** How far behind the source's time a reader may be to join: so much is read again by all. */
const NEAR_MS = 10_000;
/** A position without changes is handed on after so many ms at the earliest, as a stream of its own does: it costs a write. */
const IDLE_MS = 1_900;

/** One that reads a collection's changes. */
export interface Reader extends ReadOptions {
  readonly source: Db;
  readonly collection: string;
  /** Every change after it is handed out. */
  readonly start: ResumeToken;
}

/** The stream that readers share, as one of them sees it. */
export interface Shared {
  /** Whether there is somebody to share with, and nothing against it. */
  readonly isOpen: boolean;
  join(subscription: Subscription): void;
  /** Told that a reader has taken what waited for it. */
  taken(): void;
  remove(subscription: Subscription): void;
}

/** A reader's changes, from a stream of its own or from the one that it shares. */
export class Subscription implements ChangeSource {
  readonly #shared: Shared;
  readonly #reader: Reader;
  readonly #waken = () => this.#wake?.();
  #wake: (() => void) | undefined;
  #own: ChangeStream | undefined;
  #isJoined = false;
  #isNear = false;
  #isClosed = false;
  #restsUntil = Number.NEGATIVE_INFINITY;
  #position: ResumeToken;
  /** Of the shared stream, not handed out yet. */
  #events: ChangeEvent[] = [];
  #last: ChangeBatch | undefined;
  #handedAt = Number.NEGATIVE_INFINITY;

  constructor(shared: Shared, reader: Reader) {
    this.#shared = shared;
    this.#reader = reader;
    this.#position = reader.start;
    reader.signal.addEventListener('abort', this.#waken);
  }

  get collection(): string {
    return this.#reader.collection;
  }

  /** Every change up to it is handed out, or waits here to be. */
  get position(): ResumeToken {
    return this.#position;
  }

  /** Number of events that wait here. */
  get waiting(): number {
    return this.#events.length;
  }

  async next(): Promise<ChangeBatch> {
    for (;;) {
      this.#reader.signal.throwIfAborted();
      if (this.#isClosed) throw new Error('the subscription is closed');
      const batch = this.#take();
      if (batch) return batch;
      if (this.#isJoined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else if (this.#mayJoin) await this.#join();
      else return this.#readOwn();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isJoined = false;
    this.#reader.signal.removeEventListener('abort', this.#waken);
    this.#shared.remove(this);
    await this.#closeOwn();
  }

  /** Takes a reply of the shared stream, with what is its own, and a token from which every stream goes on. */
  offer(batch: ChangeBatch): void {
    const after = this.#position._data;
    const events = batch.events.filter(({ token }) => token > after);
    for (const event of events) this.#events.push(event);
    this.#position = { _data: latest(after, batch.token._data, events.at(-1)?.token) };
    const isNews = events.length > 0 || performance.now() - this.#handedAt >= IDLE_MS;
    if (!isNews && !this.#last) return;
    this.#last = batch;
    this.#wake?.();
  }

  /** Goes on by itself, for so long at least. */
  leave(restMs: number): void {
    this.#isJoined = false;
    this.#isNear = false;
    this.#restsUntil = performance.now() + restMs;
    this.#wake?.();
  }

  #take(): ChangeBatch | undefined {
    const last = this.#last;
    if (!last) return undefined;
    const batch = { ...last, events: this.#events, token: this.#position };
    this.#events = [];
    this.#last = undefined;
    this.#handedAt = performance.now();
    this.#shared.taken();
    return batch;
  }

  get #mayJoin(): boolean {
    return this.#isNear && this.#shared.isOpen && performance.now() >= this.#restsUntil;
  }

  async #join(): Promise<void> {
    await this.#closeOwn();
    if (this.#isClosed) return;
    this.#isJoined = true;
    this.#shared.join(this);
  }

  async #readOwn(): Promise<ChangeBatch> {
    const { source, collection } = this.#reader;
    const own =
      this.#own ?? (await ChangeStream.follow(source, collection, this.#position, this.#reader));
    this.#own = own;
    // One that lost patience meanwhile does not come back for it.
    if (this.#isClosed) await this.#closeOwn();
    const batch = await own.next();
    this.#position = batch.token;
    this.#isNear = !batch.isFull && behindMs(batch) <= NEAR_MS;
    return batch;
  }

  async #closeOwn(): Promise<void> {
    const own = this.#own;
    this.#own = undefined;
    await own?.close();
  }
}

/** Milliseconds from where a reply ends to the source's time. */
function behindMs({ token, operationTime }: ChangeBatch): number {
  if (!operationTime) return Number.POSITIVE_INFINITY;
  return timestampMs(operationTime) - timestampMs(tokenTime(token._data));
}

function latest(first: string, ...others: (string | undefined)[]): string {
  return others.reduce<string>((last, each) => (each && each > last ? each : last), first);
}
