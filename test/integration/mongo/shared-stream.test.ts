import { setTimeout as sleep } from 'node:timers/promises';
import { type Db, Decimal128, Double, Int32, Long, MongoClient, type Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Buffered, createBuffer } from '../../../src/mongo/buffer.js';
import { captureChanges, type CaptureCommit } from '../../../src/mongo/capture.js';
import {
  type ChangeBatch,
  ChangeStream,
  readStartToken,
} from '../../../src/mongo/change-stream.js';
import { readOperationTime } from '../../../src/mongo/operation-time.js';
import { SharedStream } from '../../../src/mongo/shared-stream.js';
import type { Subscription } from '../../../src/mongo/subscription.js';
import { type ResumeToken, tokenTime } from '../../../src/mongo/token.js';
import { Findings } from '../../../src/preflight/report.js';
import { checkSharedCapture } from '../../../src/preflight/shared-capture.js';
import { openStreams } from '../../faults/sessions.js';
import type { Id } from '../../helpers/bson.js';
import { type Any, must, TestMongo } from '../../helpers/data-path.js';

const ROOT = { user: 'root', password: 'secret' };
const AWAIT_MS = 200;
const WAIT = { timeout: 20_000, interval: 50 };

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('shared', [], ROOT);
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** Reads a collection's changes until it is stopped, and goes on where it was as often as it is told to. */
class Follower implements AsyncDisposable {
  readonly batches: ChangeBatch[] = [];
  position: ResumeToken;
  failure: unknown;
  /** Between two batches, in ms. */
  restMs = 0;
  readonly #shared: SharedStream;
  readonly #db: Db;
  readonly #collection: string;
  #ending = new AbortController();
  #subscription: Subscription;
  #running: Promise<void>;

  constructor(shared: SharedStream, db: Db, collection: string, start: ResumeToken) {
    [this.#shared, this.#db, this.#collection, this.position] = [shared, db, collection, start];
    this.#subscription = this.#subscribe();
    this.#running = this.#run();
  }

  /** What it has been handed out, each event once. */
  get tokens(): string[] {
    return [...new Set(this.batches.flatMap(({ events }) => events.map(({ token }) => token)))];
  }

  get isShared(): boolean {
    return this.batches.at(-1)?.sharedBy !== undefined;
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
    await this.#subscription.close();
  }

  /** As a worker does that has died: from the last token that it has. */
  async begin(): Promise<void> {
    await this.stop();
    this.#ending = new AbortController();
    this.#subscription = this.#subscribe();
    this.#running = this.#run();
  }

  /** Returns when all up to a time is handed out. */
  async reach(time: Timestamp): Promise<void> {
    await expect
      .poll(() => tokenTime(this.position._data).greaterThanOrEqual(time), WAIT)
      .toBe(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #subscribe(): Subscription {
    const { signal } = this.#ending;
    const start = this.position;
    return this.#shared.subscribe({
      source: this.#db,
      collection: this.#collection,
      start,
      signal,
      maxAwaitMs: AWAIT_MS,
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    try {
      for (;;) {
        const batch = await this.#subscription.next();
        this.batches.push(batch);
        this.position = batch.token;
        if (this.restMs > 0) await sleep(this.restMs, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) this.failure = error;
    }
  }
}

/** Ids for which a token has more than its `_data`, and others. */
function oddId(at: number): Id {
  const makers: (() => Id)[] = [
    () => Long.fromString('1234567890123456789').add(at),
    () => new Double(at + 0.5),
    () => new Double(1e300 + at * 1e285),
    () => new Double(Number.NaN),
    () => Decimal128.fromString(`${at}.1`),
    () =>
      new Map<string, unknown>([
        ['a', Long.fromNumber(2 ** 40 + at)],
        ['b', new Double(at)],
      ]),
    () => new Int32(at),
    () => new Double(at + 1e6),
    () => `text ${at}`,
  ];
  return must(makers[at % makers.length])();
}

let serial = 0;

/** A database of its own with some empty collections. */
async function databaseOf(names: readonly string[], client = mongo.client): Promise<Db> {
  serial += 1;
  const db = client.db(`shared${serial}`);
  for (const name of names) await db.createCollection(name);
  return db;
}

/** The events of a collection from a token on, as a stream of its own has them. */
async function truthOf(db: Db, name: string, start: ResumeToken): Promise<string[]> {
  const options = { signal: new AbortController().signal, maxAwaitMs: 50 };
  const end = await readOperationTime(db);
  await using stream = await ChangeStream.follow(db, name, start, options);
  const found: string[] = [];
  for (;;) {
    const { events, token } = await stream.next();
    found.push(...events.map((event) => event.token));
    if (events.length === 0 && tokenTime(token._data).greaterThanOrEqual(end)) return found;
  }
}

/** The same until the collection's end, and the token of that. */
async function truthUntilEnd(db: Db, name: string, start: ResumeToken) {
  const options = { signal: new AbortController().signal, maxAwaitMs: 50 };
  await using stream = await ChangeStream.follow(db, name, start, options);
  const truth: string[] = [];
  for (;;) {
    for (const { id, token } of (await stream.next()).events) {
      if (!id) return { truth, end: token };
      truth.push(token);
    }
  }
}

/** Change streams that are open at the server: of the whole database, and of its collections. */
async function openOf({ databaseName }: Db): Promise<{ whole: bigint[]; single: bigint[] }> {
  const open = await openStreams(mongo.client, databaseName);
  const idsOf = (isWhole: boolean) =>
    open.filter(({ on }) => (on === databaseName) === isWhole).map(({ id }) => id);
  return { whole: idsOf(true), single: idsOf(false) };
}

async function follow(
  db: Db,
  names: readonly string[],
  shared = new SharedStream(db),
): Promise<{ followers: Follower[]; start: ResumeToken; shared: SharedStream }> {
  const start = await readStartToken(db, must(names[0]));
  const followers = names.map((name) => new Follower(shared, db, name, start));
  return { followers, start, shared };
}

async function untilShared(followers: readonly Follower[]): Promise<void> {
  await expect.poll(() => followers.every(({ isShared }) => isShared), WAIT).toBe(true);
}

async function stopAll(followers: readonly Follower[]): Promise<void> {
  for (const follower of followers) await follower.stop();
}

describe('a shared stream', () => {
  it('is one for all, and none for a single reader', async () => {
    const names = ['a', 'b', 'ümlaut %/.c'];
    const db = await databaseOf(names);
    const { followers, start, shared } = await follow(db, names);
    await untilShared(followers);
    await expect
      .poll(async () => {
        const { whole, single } = await openOf(db);
        return [whole.length, single.length];
      }, WAIT)
      .toEqual([1, 0]);
    const before = await openOf(db);
    await db.command({ killCursors: '$cmd.aggregate', cursors: before.whole });
    for (const name of names) await db.collection(name).insertOne({ name });
    await db.collection('foreign').insertOne({});
    const time = await readOperationTime(db);
    await mongo.client.db('other').collection('other').insertOne({});
    for (const follower of followers) await follower.reach(time);
    for (const [index, name] of names.entries()) {
      expect(must(followers[index]).tokens).toEqual(await truthOf(db, name, start));
      expect(must(followers[index]).tokens).toHaveLength(1);
    }
    const after = await openOf(db);
    expect([after.whole.length, after.single.length]).toEqual([1, 0]);
    expect(after.whole).not.toEqual(before.whole);
    const [first, ...others] = followers;
    await stopAll(others);
    await expect.poll(async () => (await openOf(db)).whole.length, WAIT).toBe(0);
    await expect.poll(() => must(first).isShared, WAIT).toBe(false);
    await stopAll(followers);
    await expect.poll(async () => (await openOf(db)).single.length, WAIT).toBe(0);
    await using alone = new Follower(shared, db, 'a', start);
    await expect.poll(() => alone.batches.length, WAIT).toBeGreaterThan(5);
    expect(alone.batches.some(({ sharedBy }) => sharedBy !== undefined)).toBe(false);
  });

  it('hands out every change in order, whatever happens to it and its readers', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const db = await databaseOf([...names, 'foreign']);
    const { followers, start, shared } = await follow(db, names, new SharedStream(db, 500));
    const writing = new AbortController();
    const writers = [...names, 'foreign'].map(async (name) => {
      for (let at = 0; !writing.signal.aborted; at += 1) {
        const _id = oddId(at);
        await db
          .collection<Any>(name)
          .insertOne({ _id })
          .catch(() => undefined);
        if (at % 3 === 0) await db.collection<Any>(name).deleteOne({ _id });
      }
    });
    const together = (async () => {
      while (!writing.signal.aborted) {
        await using session = mongo.client.startSession();
        await session.withTransaction(async () => {
          for (let at = 0; at < 30; at += 1) {
            await db.collection(names[at % 4] ?? '').insertOne({ at }, { session });
          }
        });
      }
    })();
    for (let round = 0; round < 12; round += 1) {
      await sleep(400);
      const follower = must(followers[round % 4]);
      if (round % 3 === 0) await follower.begin();
      follower.restMs = round % 5 === 0 ? 300 : 0;
      if (round % 4 === 1) {
        const { whole } = await openOf(db);
        if (whole.length > 0) await db.command({ killCursors: '$cmd.aggregate', cursors: whole });
        // One that comes while the others are where it has long been.
        const late = new Follower(shared, db, 'foreign', start);
        await sleep(200);
        await late.stop();
      }
    }
    writing.abort();
    await Promise.all([...writers, together]);
    const time = await readOperationTime(db);
    await db.collection('foreign').insertOne({});
    for (const follower of followers) {
      follower.restMs = 0;
      await follower.reach(time);
    }
    await stopAll(followers);
    for (const [index, follower] of followers.entries()) {
      const truth = await truthOf(db, must(names[index]), start);
      expect(follower.failure).toBeUndefined();
      expect(truth.length).toBeGreaterThan(20);
      expect(follower.tokens).toEqual(truth);
      expect(follower.batches.some(({ sharedBy }) => sharedBy !== undefined)).toBe(true);
      // From the token of any batch on, the collection's own stream has what was not handed out by then.
      const parts = Array.from({ length: 12 }, (_, part) => (part + 1) / 12);
      for (const at of parts.map((part) => Math.ceil(part * follower.batches.length) - 1)) {
        const { token } = must(follower.batches[at]);
        const before = follower.batches.slice(0, at + 1).flatMap(({ events }) => events);
        const rest = await truthOf(db, must(names[index]), token);
        const known = new Set(before.map((event) => event.token));
        expect(rest.filter((each) => !known.has(each))).toEqual(
          truth.filter((each) => !known.has(each)),
        );
      }
    }
  }, 60_000);

  it.each([0, 8])(
    'tells a collection’s readers alone that it is gone, and all when the database is, with %i more',
    async (more) => {
      const fillers = Array.from({ length: more }, (_, at) => `filler${at}`);
      const names = ['dropped', 'renamed', 'covered', 'kept', 'too', ...fillers];
      const db = await databaseOf([...names, 'other']);
      const { followers } = await follow(db, names);
      await untilShared(followers);
      await db.dropCollection('dropped');
      await db.renameCollection('renamed', 'elsewhere');
      await db.renameCollection('other', 'covered', { dropTarget: true });
      const time = await readOperationTime(db);
      for (const follower of followers.slice(3)) await follower.reach(time);
      const operations = () =>
        followers
          .slice(0, 5)
          .map(({ batches }) =>
            batches.flatMap(({ events }) => events.map(({ operation }) => operation)),
          );
      expect(operations()).toEqual([['drop'], ['rename'], ['rename'], [], []]);
      await stopAll(followers.slice(0, 3));
      await db.collection('kept').insertOne({});
      await db.dropDatabase();
      await expect.poll(() => operations()[3]?.slice(0, 2), WAIT).toEqual(['insert', 'drop']);
      await expect.poll(() => operations()[4]?.[0], WAIT).toBe('drop');
      await stopAll(followers);
    },
  );

  it('captures nothing of what comes after the end of a collection', async () => {
    const names = ['gone', 'kept'];
    const db = await databaseOf(names);
    const shared = new SharedStream(db);
    const start = await readStartToken(db, 'gone');
    await using kept = new Follower(shared, db, 'kept', start);
    const uuid = await createBuffer(db, 'gone');
    // So slow that the next reply comes before the one with the end is in the buffer.
    class SlowBuffer extends Buffered {
      override async insert(...given: Parameters<Buffered['insert']>): Promise<number> {
        await sleep(3_000);
        return super.insert(...given);
      }
    }
    const commits: CaptureCommit[] = [];
    const capturing = captureChanges({
      source: db,
      collection: 'gone',
      buffer: new SlowBuffer(db, 'gone', uuid),
      start,
      shared,
      natural: false,
      maxAwaitMs: AWAIT_MS,
      signal: new AbortController().signal,
      onCommit: async (commit) => void commits.push(commit),
    }).catch((error: unknown) => error);
    await expect.poll(() => commits.at(-1)?.sharedBy, WAIT).toBe(2);
    // Three batches are under way; what comes meanwhile is one batch, with the end in it.
    for (let at = 0; at < 4; at += 1) {
      await db.collection('gone').insertOne({});
      await sleep(200);
    }
    await db.dropCollection('gone');
    await db.collection('gone').insertMany([{}, {}]);
    await db.collection('kept').insertOne({});
    expect(await capturing).toMatchObject({ type: 'ChangeStreamEnded' });
    await kept.reach(await readOperationTime(db));
    const { truth, end } = await truthUntilEnd(db, 'gone', start);
    expect(truth).toHaveLength(4);
    expect(must(commits.at(-1)).token._data < end).toBe(true);
    const changes = db.collection('cdc.gone').aggregate([{ $unwind: '$c' }, { $count: 'changes' }]);
    expect(await changes.next()).toEqual({ changes: 4 });
  });

  it('goes on without a reader that is too slow', async () => {
    const names = ['slow', 'quick', 'quicker'];
    const db = await databaseOf(names);
    const { followers, start } = await follow(db, names, new SharedStream(db, 500));
    await untilShared(followers);
    const [slow, quick] = followers;
    must(slow).restMs = 8_000;
    const documents = Array.from({ length: 15_000 }, (_, at) => ({ at }));
    await db.collection('slow').insertMany(documents);
    await db.collection('quick').insertMany(documents);
    await db.collection('slow').insertMany(documents.map(({ at }) => ({ at })));
    await db.collection('quick').insertMany(documents.map(({ at }) => ({ at })));
    const time = await readOperationTime(db);
    await must(quick).reach(time);
    expect(must(quick).tokens).toHaveLength(30_000);
    expect(must(quick).isShared).toBe(true);
    // It reads by itself, comes back, and has missed nothing.
    must(slow).restMs = 0;
    await must(slow).reach(time);
    await untilShared(followers);
    await db.collection('slow').insertMany([{}, {}]);
    await must(slow).reach(await readOperationTime(db));
    expect(must(slow).tokens).toEqual(await truthOf(db, 'slow', start));
    await stopAll(followers);
  }, 60_000);

  it('is not for a user who may read the collections only', async () => {
    const names = ['a', 'b'];
    const db = await databaseOf(names);
    const { databaseName } = db;
    const privileges = names.map((collection) => ({
      resource: { db: databaseName, collection },
      actions: ['find', 'changeStream'],
    }));
    await db.command({ createRole: 'narrow', privileges, roles: [] });
    await db.command({ createUser: 'narrow', pwd: 'narrow', roles: ['narrow'] });
    const uri = mongo.server.uri
      .replace('root:secret@', 'narrow:narrow@')
      .replace('authSource=admin', `authSource=${databaseName}`);
    const narrow = await MongoClient.connect(uri);
    const { followers, start } = await follow(narrow.db(databaseName), names);
    await sleep(2_000);
    for (const name of names) await db.collection(name).insertOne({});
    const time = await readOperationTime(db);
    for (const [index, follower] of followers.entries()) {
      await follower.reach(time);
      expect(follower.failure).toBeUndefined();
      expect(follower.isShared).toBe(false);
      expect(follower.tokens).toEqual(await truthOf(db, must(names[index]), start));
    }
    await stopAll(followers);
    const warnings = async (client: MongoClient, collections: number) => {
      const findings = new Findings();
      await checkSharedCapture(findings, client.db(databaseName), collections);
      return findings.warnings.map(({ message }) => message);
    };
    expect(await warnings(narrow, 2)).toEqual([expect.stringContaining(databaseName)]);
    expect(await warnings(narrow, 1)).toEqual([]);
    expect(await warnings(mongo.client, 2)).toEqual([]);
    await narrow.close();
  });
});
