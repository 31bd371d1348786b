import type { Db } from 'mongodb';
import { type ChangeEvent, detached, resumeAfter } from './change-event.js';
import {
  type ChangeBatch,
  type ChangeSource,
  ChangeStream,
  isNear,
  type ReadOptions,
} from './change-stream.js';
import type { ResumeToken } from './token.js';

/**
 * A position without changes is handed on after so many ms, as a stream of its own does: it costs a write. Not
 * of all readers at the same moment.
 */
const IDLE_MS = { least: 1_400, spread: 600 } as const;

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
  readonly #idleMs = IDLE_MS.least + Math.random() * IDLE_MS.spread;
  readonly #waken = () => this.#wake?.();
  #wake: (() => void) | undefined;
  #own: ChangeStream | undefined;
  #isJoined = false;
  #isNear = false;
  #isClosed = false;
  /** Its collection is gone: what follows is of another one of its name. */
  #isOver = false;
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

  /** Whether it is time to hand on a position, although there are no events. */
  get isDue(): boolean {
    return performance.now() - this.#handedAt >= this.#idleMs;
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
    if (this.#isOver) return;
    const after = this.#position._data;
    for (const event of batch.events) {
      if (event.token <= after) continue;
      this.#events.push(detached(event));
      this.#isOver = event.id === undefined;
      if (this.#isOver) break;
    }
    const last = this.#events.at(-1);
    // Tokens as they are: what they have beside `_data` is needed to go on from them.
    if (batch.token._data > this.#position._data) this.#position = batch.token;
    if (last && last.token > this.#position._data) this.#position = resumeAfter(last);
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
    this.#isNear = isNear(batch);
    return batch;
  }

  async #closeOwn(): Promise<void> {
    const own = this.#own;
    this.#own = undefined;
    await own?.close();
  }
}
