import { setTimeout as sleep } from 'node:timers/promises';
import type { Db, MongoClient, Timestamp } from 'mongodb';
import { isUnauthorized } from './catalogue.js';
import { type ChangeEvent, databaseStreamPipeline } from './change-event.js';
import { type ChangeBatch, ChangeStream, isNear } from './change-stream.js';
import { type Reader, type Shared, Subscription } from './subscription.js';
import { type ResumeToken, tokenTime } from './token.js';

/** Readers that come within this time open the stream once, in ms. */
const GATHER_MS = 500;
/** Longest wait for new events per request, in ms: that long those that come wait to be read for. */
const MAX_AWAIT_MS = 1_000;
/** Longest silence of the server: its readers go on by themselves before they lose patience, in ms. */
const REPLY_TIMEOUT_MS = 20_000;
/** Events that wait for readers, of all together: they bound the worker's memory. */
const MOST_WAITING = 20_000;
/** For so long those that have nothing to read wait for those that are slow, in ms. */
const PATIENCE_MS = 5_000;
/** For so long those that were too slow, or all after a failure, read by themselves, in ms. */
const REST_MS = 60_000;
/** Until it is tried again whether the user may read the database's stream, in ms. */
const REFUSED_MS = 600_000;
/** Where the time of a token ends in its `_data`. */
const TIME_END = 18;
/** Why reading ends when nobody is left. */
const GONE = new Error('nobody reads the shared stream any more');

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
  /** Whether it is where the source is, so that one that is there too loses nothing by joining. */
  #isNear = true;
  /** Whether it has delivered anything since it was opened. */
  #hasDelivered = false;
  /** How long readers with nothing to read have waited for others of late, in ms. */
  #waitedMs = 0;
  #restsUntil = Number.NEGATIVE_INFINITY;
  #wake: (() => void) | undefined;

  /** @param restMs for so long readers go on by themselves after it has failed, or they were too slow for it. */
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
    const mayOpen = this.#readers.size > 1 && performance.now() >= this.#restsUntil;
    return mayOpen && (this.#isNear || !this.#reading);
  }

  join(subscription: Subscription): void {
    this.#joining.add(subscription);
    if (!this.#reading) void this.#read();
  }

  remove(subscription: Subscription): void {
    this.#readers.delete(subscription);
    this.#joining.delete(subscription);
    this.#joined.delete(subscription);
    if (this.#isEmpty) this.#reading?.abort(GONE);
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
      const reading = new AbortController();
      this.#reading = reading;
      try {
        await this.#follow(reading);
      } catch (error) {
        if (reading.signal.reason === GONE) continue;
        // Opened again from where its readers are, it goes on after a failover or a cursor that was killed.
        if (this.#hasDelivered && !reading.signal.aborted) continue;
        // Whatever it is, each meets it on its own stream and says so, or does not.
        this.#restsUntil = performance.now() + (isUnauthorized(error) ? REFUSED_MS : this.#restMs);
        this.#dissolve();
      }
    }
    this.#reading = undefined;
  }

  /** Reads for all that are there by now, until others come or one is left. */
  async #follow(reading: AbortController): Promise<void> {
    const { signal } = reading;
    this.#hasDelivered = false;
    this.#isNear = true;
    await sleep(GATHER_MS, undefined, { signal });
    for (const member of this.#joining) this.#joined.add(member);
    this.#joining.clear();
    const members = [...this.#joined];
    if (members.length === 0) return;
    const start = members.map(({ position }) => tokenTime(position._data)).reduce(earlier);
    const names = members.map(({ collection }) => collection);
    const pipeline = databaseStreamPipeline(start, names);
    const options = { signal, maxAwaitMs: MAX_AWAIT_MS };
    await using stream = await answered(reading, ChangeStream.open(this.#db, 1, pipeline, options));
    do {
      const batch = await answered(reading, stream.next());
      this.#isNear = isNear(batch);
      this.#hand(batch, stream.start);
      this.#hasDelivered = true;
      await this.#room(signal);
      if (stream.exhausted || this.#readers.size === 1) {
        this.#dissolve();
        return;
      }
    } while (this.#joining.size === 0 && this.#joined.size > 0);
  }

  /** Gives each its own events, and a position to those that have had none for a while. */
  #hand(batch: ChangeBatch, between: ResumeToken): void {
    const byName = byCollection(batch.events);
    const ofAll = byName.get('') ?? [];
    const token = betweenEvents(between, batch);
    const sharedBy = this.#joined.size;
    for (const member of this.#joined) {
      const own = byName.get(member.collection);
      if (!own && ofAll.length === 0 && !member.isDue) continue;
      member.offer({ ...batch, events: [...(own ?? []), ...ofAll], token, sharedBy });
    }
  }

  /** Returns when there is room for another reply. Those that let others wait for long go on by themselves. */
  async #room(signal: AbortSignal): Promise<void> {
    let waiting = this.#countWaiting();
    if (waiting < MOST_WAITING) this.#waitedMs /= 2;
    for (; waiting >= MOST_WAITING; waiting = this.#countWaiting()) {
      const begun = performance.now();
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      await Promise.race([woken, sleep(GATHER_MS, undefined, { signal })]);
      const isFor = [...this.#joined].some((member) => member.waiting === 0);
      if (isFor) this.#waitedMs += performance.now() - begun;
      if (this.#waitedMs > PATIENCE_MS) this.#leaveSlowest();
    }
  }

  #countWaiting(): number {
    let waiting = 0;
    for (const member of this.#joined) waiting += member.waiting;
    return waiting;
  }

  #leaveSlowest(): void {
    let waiting = this.#countWaiting();
    for (const member of [...this.#joined].toSorted((one, two) => two.waiting - one.waiting)) {
      if (waiting < MOST_WAITING / 2) break;
      waiting -= member.waiting;
      this.#leave(member, this.#restMs);
    }
    this.#waitedMs = 0;
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
 * The token that stands before all events of the time up to which a reply goes. It names no collection, so that
 * the stream of any one goes on from it.
 * @param like one of the same server that stands between events: such tokens differ in the time only.
 */
export function betweenEvents(
  { _data: like }: ResumeToken,
  { token, isFull }: Pick<ChangeBatch, 'token' | 'isFull'>,
): ResumeToken {
  const time = tokenTime(token._data);
  // A reply that is full may end within a transaction, whose other events have the same time.
  const isWithin = isFull && token._data.slice(TIME_END) !== like.slice(TIME_END);
  const hex = (part: number) => part.toString(16).toUpperCase().padStart(8, '0');
  const [high, low] = [time.getHighBitsUnsigned(), time.getLowBitsUnsigned() - (isWithin ? 1 : 0)];
  return { _data: `${like.slice(0, 2)}${hex(high)}${hex(low)}${like.slice(TIME_END)}` };
}

/** Ends reading when the server does not answer in time. */
async function answered<T>(reading: AbortController, reply: Promise<T>): Promise<T> {
  const silent = () => reading.abort(new Error('the source does not answer'));
  const timer = setTimeout(silent, REPLY_TIMEOUT_MS);
  try {
    return await reply;
  } finally {
    clearTimeout(timer);
  }
}

function earlier(one: Timestamp, other: Timestamp): Timestamp {
  return one.lessThan(other) ? one : other;
}
