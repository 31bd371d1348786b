import { setTimeout as sleep } from 'node:timers/promises';
import type { Db, MongoClient, Timestamp } from 'mongodb';
import { isUnauthorized } from './catalogue.js';
import { type ChangeEvent, databaseStreamPipeline } from './change-event.js';
import { ChangeStream } from './change-stream.js';
import { type Reader, type Shared, Subscription } from './subscription.js';
import { type ResumeToken, tokenTime } from './token.js';

/** Readers that come within this time open the stream once, in ms. */
const GATHER_MS = 500;
/** Longest wait for new events per request, in ms: that long those that come wait to be read for. */
const MAX_AWAIT_MS = 1_000;
/** Events that wait for readers, of all together: they bound the worker's memory. */
const MOST_WAITING = 20_000;
/** For so long all wait for readers that are slow; then the slowest goes on by itself, for a while, in ms. */
const PATIENCE_MS = 5_000;
const REST_MS = 60_000;
/** Until it is tried again whether the user may read the database's stream, in ms. */
const REFUSED_MS = 600_000;

/** The shared streams of a worker: one for each database of a source. */
export class SharedStreams {
  readonly #byClient = new WeakMap<MongoClient, Map<string, SharedStream>>();

  /** The one for this database, as it is reached by this client. */
  of(db: Db): SharedStream {
    const ofClient = this.#byClient.get(db.client) ?? new Map<string, SharedStream>();
    this.#byClient.set(db.client, ofClient);
    const stream = ofClient.get(db.databaseName) ?? new SharedStream(db);
    ofClient.set(db.databaseName, stream);
    return stream;
  }
}

/**
 * One change stream of a database for all that read collections of it here: for each stream of a collection
 * the source looks through its whole oplog. Readers keep their own positions, from which a stream of their own
 * goes on too: each begins with one, joins the others once it is near the source's time, and goes on by itself
 * where the shared one fails, may not be read, or would have to wait for it. With one reader there is none.
 */
export class SharedStream implements Shared {
  readonly #db: Db;
  readonly #restMs: number;
  readonly #readers = new Set<Subscription>();
  /** Those that wait for the stream to be opened for them too. */
  readonly #joining = new Set<Subscription>();
  /** Those that the open stream is read for. */
  readonly #joined = new Set<Subscription>();
  #reading: AbortController | undefined;
  #restsUntil = Number.NEGATIVE_INFINITY;
  #wake: (() => void) | undefined;

  /** @param restMs for so long each reads by itself after the shared stream has failed. */
  constructor(db: Db, restMs = REST_MS) {
    this.#db = db;
    this.#restMs = restMs;
  }

  subscribe(reader: Reader): Subscription {
    const subscription = new Subscription(this, reader);
    this.#readers.add(subscription);
    return subscription;
  }

  get isOpen(): boolean {
    return this.#readers.size > 1 && performance.now() >= this.#restsUntil;
  }

  join(subscription: Subscription): void {
    this.#joining.add(subscription);
    if (!this.#reading) void this.#read();
  }

  remove(subscription: Subscription): void {
    this.#readers.delete(subscription);
    this.#joining.delete(subscription);
    this.#joined.delete(subscription);
    if (this.#isEmpty) this.#reading?.abort();
    this.taken();
  }

  taken(): void {
    this.#wake?.();
  }

  get #isEmpty(): boolean {
    return this.#joining.size + this.#joined.size === 0;
  }

  async #read(): Promise<void> {
    while (!this.#isEmpty) {
      this.#reading = new AbortController();
      const { signal } = this.#reading;
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) continue;
        // Whatever it is, each meets it on its own stream and says so, or does not.
        const restMs = isUnauthorized(error) ? REFUSED_MS : this.#restMs;
        this.#restsUntil = performance.now() + restMs;
        this.#dissolve();
      }
    }
    this.#reading = undefined;
  }

  /** Reads for all that are there by now, until others come or one is left. */
  async #follow(signal: AbortSignal): Promise<void> {
    await sleep(GATHER_MS, undefined, { signal });
    for (const member of this.#joining) this.#joined.add(member);
    this.#joining.clear();
    const members = [...this.#joined];
    if (members.length === 0) return;
    const start = members.map(({ position }) => tokenTime(position._data)).reduce(earlier);
    const names = members.map(({ collection }) => collection);
    const pipeline = databaseStreamPipeline(start, names);
    const options = { signal, maxAwaitMs: MAX_AWAIT_MS };
    await using stream = await ChangeStream.open(this.#db, 1, pipeline, options);
    while (this.#joining.size === 0) {
      const batch = await stream.next();
      const byName = byCollection(batch.events);
      const reached = betweenEvents(stream.start, tokenTime(batch.token._data));
      const sharedBy = this.#joined.size;
      for (const member of this.#joined) {
        const own = byName.get(member.collection) ?? [];
        const events = [...own, ...(byName.get('') ?? [])];
        member.offer({ ...batch, events, token: reached, sharedBy });
      }
      await this.#room(signal);
      if (stream.exhausted || this.#readers.size === 1) {
        this.#dissolve();
        return;
      }
    }
  }

  /** Returns when there is room for another reply; the slowest reader goes on by itself where that takes long. */
  async #room(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const bySpeed = [...this.#joined].toSorted((one, other) => one.waiting - other.waiting);
      const waiting = bySpeed.reduce((sum, member) => sum + member.waiting, 0);
      const slowest = bySpeed.at(-1);
      if (waiting < MOST_WAITING || !slowest) return;
      if (performance.now() > deadline) this.#leave(slowest, this.#restMs);
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      await Promise.race([woken, sleep(GATHER_MS, undefined, { signal })]);
    }
  }

  #dissolve(): void {
    for (const member of [...this.#joining, ...this.#joined]) this.#leave(member, 0);
  }

  /** What it is not read for from here on it reads again from its own position, also when it comes back. */
  #leave(member: Subscription, restMs: number): void {
    this.#joining.delete(member);
    this.#joined.delete(member);
    member.leave(restMs);
  }
}

/** Events by the collection that they are of, or that they give its name to; those of all under no name. */
function byCollection(events: readonly ChangeEvent[]): ReadonlyMap<string, readonly ChangeEvent[]> {
  const found = new Map<string, ChangeEvent[]>();
  for (const event of events) {
    const { collection = '', to } = event;
    for (const name of to === undefined ? [collection] : [collection, to]) {
      const before = found.get(name);
      if (before) before.push(event);
      else found.set(name, [event]);
    }
  }
  return found;
}

/**
 * The token that stands before all events of a cluster time. It names no collection, so that the stream of any one goes
 * on from it.
 * @param like one of the same server that stands between events: they differ in the time only.
 */
function betweenEvents({ _data }: ResumeToken, time: Timestamp): ResumeToken {
  const hex = (part: number) => part.toString(16).toUpperCase().padStart(8, '0');
  const [high, low] = [time.getHighBitsUnsigned(), time.getLowBitsUnsigned()];
  return { _data: `${_data.slice(0, 2)}${hex(high)}${hex(low)}${_data.slice(18)}` };
}

function earlier(one: Timestamp, other: Timestamp): Timestamp {
  return one.lessThan(other) ? one : other;
}
