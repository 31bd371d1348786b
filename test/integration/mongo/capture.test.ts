import { Int32, MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readFence } from '../../../src/mongo/operation-time.js';
import { DataPath, must, TestMongo, tokenOf } from '../../helpers/data-path.js';
import { keyOf } from '../../helpers/bson.js';

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('capture', ['--setParameter', 'enableTestCommands=1']);
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const MB = 1024 * 1024;

describe('capture', () => {
  it('keeps inserts, updates, replacements and deletes, in stream order', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertMany([{ _id: 1 }, { _id: 2, old: true }, { _id: 3 }]);
    await path.capture();
    await path.orders.updateOne({ _id: 1 }, { $set: { 'a.0': 1 } });
    await path.orders.replaceOne({ _id: 2 }, { fresh: true });
    await path.orders.deleteOne({ _id: 3 });
    await path.orders.insertOne({ _id: 4 });
    await path.capture();
    const changes = await path.changes();
    expect(changes.map(({ kind, id }) => [kind, id])).toEqual([
      ...[1, 2, 3].map((id) => ['u', keyOf(id)]),
      ['u', keyOf(1)],
      ['u', keyOf(2)],
      ['d', keyOf(3)],
      ['u', keyOf(4)],
    ]);
    const tokens = changes.map(({ token }) => token);
    expect(tokens).toEqual(tokens.toSorted());
    expect(tokenOf(must(path.commits.at(-1)).token) >= must(tokens.at(-1))).toBe(true);
    expect(path.commits.reduce((sum, { events }) => sum + events, 0)).toBe(7);
    await path.replay();
    const { source, target } = await path.sides();
    expect(target).toEqual(source);
  });

  it('keeps a transaction whole, although its events share their time', async () => {
    const path = await DataPath.begin(mongo.client);
    await using session = mongo.client.startSession();
    await session.withTransaction(async () => {
      await path.orders.insertMany(
        Array.from({ length: 200 }, (_, _id) => ({ _id })),
        { session },
      );
      await path.orders.deleteMany({ _id: { $lt: 50 } }, { session });
    });
    await path.capture();
    expect(path.commits.reduce((sum, { events }) => sum + events, 0)).toBe(250);
    await path.replay();
    expect(await path.copy.countDocuments()).toBe(150);
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('keeps a transaction of more than 16 MB, and nothing of one that is aborted', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertMany([{ _id: 1 }, { _id: 2 }]);
    const insertLarge = async (first: number, end: 'commitTransaction' | 'abortTransaction') => {
      await using session = mongo.client.startSession();
      session.startTransaction();
      for (let _id = first; _id < first + 4; _id++) {
        await path.orders.insertOne({ _id, t: 'x'.repeat(6 * MB) }, { session });
      }
      await path.orders.updateMany({ _id: { $lt: 3 } }, { $inc: { n: 1 } }, { session });
      await session[end]();
    };
    await insertLarge(10, 'commitTransaction');
    await insertLarge(20, 'abortTransaction');
    await path.capture();
    expect(path.commits.reduce((sum, { events }) => sum + events, 0)).toBe(2 + 4 + 2);
    await path.replay();
    expect(await path.copy.countDocuments({ n: 1 })).toBe(2);
    expect(await path.copy.countDocuments({ _id: { $gte: 10 } })).toBe(4);
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('reads changed documents back no faster than it may, as that changes', async () => {
    const path = await DataPath.begin(mongo.client);
    const documents = Array.from({ length: 200 }, (_, _id) => ({ _id, t: 'x' }));
    await path.orders.insertMany(documents);
    // All of them would take three minutes.
    const limits: { documentsPerSecond?: number | undefined } = { documentsPerSecond: 1 };
    const capturing = path.capture(undefined, undefined, limits);
    // It says that it is there while it waits.
    await vi.waitUntil(() => path.touches > 3, { timeout: 30_000 });
    expect(await path.changes()).toEqual([]);
    limits.documentsPerSecond = undefined;
    await capturing;
    expect(await path.changes()).toHaveLength(200);
    await path.replay();
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('keeps what it reads under a limit piece by piece, and goes on from there', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertMany(Array.from({ length: 300 }, (_, _id) => ({ _id })));
    await using session = mongo.client.startSession();
    await session.withTransaction(async () => {
      await path.orders.updateMany({}, { $set: { n: 1 } }, { session });
    });
    const limits = { documentsPerSecond: 50 };
    const ended = new AbortController();
    const capturing = path.capture(undefined, ended.signal, limits);
    // Three pieces are under way at most, and some of them end together.
    await vi.waitUntil(() => path.committed.some(({ events }) => events > 0), {
      timeout: 30_000,
    });
    ended.abort(new Error('the worker is gone'));
    await expect(capturing).rejects.toThrow('the worker is gone');
    const kept = path.committed.reduce((sum, { events }) => sum + events, 0);
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(600);
    await path.capture();
    await path.replay();
    expect(path.committed.reduce((sum, { events }) => sum + events, 0)).toBe(600);
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('waits for a source that is there and takes long to answer', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertOne({ _id: 1 });
    await mongo.client.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['getMore'], blockConnection: true, blockTimeMS: 3_000 },
    });
    const waited: string[] = [];
    await path.captureFrom(path.start, {
      until: await path.now(),
      silenceMs: 300,
      onWait: async (what) => void waited.push(what),
    });
    expect(waited.length).toBeGreaterThan(2);
    expect(new Set(waited)).toEqual(new Set(['reply']));
    expect(await path.buffer.countDocuments()).toBe(1);
  });

  it('does not wait for a stream that has answered and does so no more', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertOne({ _id: 1 });
    const admin = mongo.client.db('admin');
    const hold = async () =>
      admin.command({
        configureFailPoint: 'failCommand',
        mode: { times: 1 },
        data: { failCommands: ['getMore'], blockConnection: true, blockTimeMS: 5_000 },
      });
    let isHeld = false;
    const capturing = path.captureFrom(path.start, {
      signal: new AbortController().signal,
      silenceMs: 200,
      onCommit: async () => {
        if (!isHeld) await hold();
        isHeld = true;
      },
    });
    await expect(capturing).rejects.toThrow('the change stream has not answered');
    expect(await path.buffer.countDocuments()).toBe(1);
  });

  it('keeps only the last of several events of one document in a batch', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertMany([{ _id: 1, n: 0 }, { _id: 2 }]);
    for (let n = 0; n < 20; n++) await path.orders.updateOne({ _id: 1 }, { $inc: { n: 1 } });
    await path.orders.deleteOne({ _id: 2 });
    const commits = await path.capture();
    const events = commits.reduce((sum, commit) => sum + commit.events, 0);
    const buffered = commits.reduce((sum, commit) => sum + commit.buffered, 0);
    expect(events).toBe(23);
    expect(await path.changes()).toHaveLength(buffered);
    expect(buffered).toBeLessThan(events);
    await path.replay();
    expect(await path.copy.find().toArray()).toEqual([{ _id: 1, n: 20 }]);
  });

  it('brings documents of up to 16 MB, by reference where the envelope does not fit', async () => {
    const path = await DataPath.begin(mongo.client);
    // A document {_id: int, t: text, n: int} has 34 bytes around its text.
    for (const [_id, size] of [16 * MB, 16 * MB - 100, 16 * MB - 400, 15 * MB].entries()) {
      await path.orders.insertOne({ _id, t: 'x'.repeat(size - 34), n: new Int32(0) });
    }
    await path.capture();
    expect((await path.changes()).map(({ kind }) => kind)).toEqual(['r', 'r', 'u', 'u']);
    await path.replay();
    expect(await path.hashes()).toSatisfy(isEqual);
    await path.orders.updateMany({}, { $inc: { n: 1 } });
    await path.follow();
    expect(await path.hashes()).toSatisfy(isEqual);
    await path.orders.deleteOne({ _id: 0 });
    await path.follow();
    expect(await path.copy.countDocuments()).toBe(3);
  });

  it('brings a document whose event would be too large with all that a change stream gives', async () => {
    const path = await DataPath.begin(mongo.client);
    const whole = path.orders.watch([], { startAfter: path.start });
    await path.orders.insertOne({ _id: 'i'.repeat(MB), t: 'x'.repeat(13.5 * MB) });
    await expect(whole.next()).rejects.toMatchObject({ codeName: 'BSONObjectTooLarge' });
    await whole.close();
    await path.follow();
    expect(await path.hashes()).toSatisfy(isEqual);
    await path.orders.updateMany({}, { $set: { n: 1 } });
    await path.follow();
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('follows a reference whose document was deleted before the replay', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertOne({ _id: 1, t: 'x'.repeat(16 * MB - 60) });
    await path.capture();
    expect((await path.changes()).map(({ kind }) => kind)).toEqual(['r']);
    await path.orders.deleteOne({ _id: 1 });
    await path.replay();
    expect(await path.copy.countDocuments()).toBe(0);
    await path.follow();
    expect(await path.copy.countDocuments()).toBe(0);
  });

  it.each([4.2, 5.3])('says of an _id of %d MB that its token is too long', async (size) => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertOne({ _id: 'i'.repeat(size * MB) });
    await expect(path.capture()).rejects.toMatchObject({ type: 'ChangeEventTooLarge' });
  });

  it('brings documents that a worker writes, whose _ids are long', async () => {
    const path = await DataPath.begin(mongo.client);
    const ids = Array.from({ length: 600 }, (_, index) => `${index}`.padEnd(20_000, '-'));
    // Names that begin with "$" are no matter for a merge.
    await path.orders.insertMany(ids.map((_id) => ({ _id, $a: 1 })));
    await path.follow();
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('brings thousands of changes whose _ids are long', async () => {
    const path = await DataPath.begin(mongo.client);
    // Together they are larger than any command may be.
    const ids = Array.from({ length: 2500 }, (_, index) => `${index}`.padEnd(8000, '-'));
    await path.orders.insertMany(ids.map((_id) => ({ _id })));
    await path.follow();
    expect(await path.hashes()).toSatisfy(isEqual);
    await path.orders.deleteMany({});
    await path.follow();
    expect(await path.copy.countDocuments()).toBe(0);
  });

  it('moves on when only other collections change', async () => {
    const path = await DataPath.begin(mongo.client);
    await mongo.client.db('source').collection('other').insertOne({});
    const commits = await path.capture();
    const last = must(commits.at(-1));
    expect(commits.every(({ events }) => events === 0)).toBe(true);
    expect(tokenOf(last.token) > tokenOf(path.start)).toBe(true);
    await path.orders.insertOne({ _id: 1 });
    await path.capture(last.token);
    expect(await path.changes()).toHaveLength(1);
  });

  it('says nothing of how far it is before the source has answered', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertOne({ _id: new Int32(1) });
    const [first] = await path.capture();
    expect(first?.events).toBe(1);
  });

  it('has a fence that a majority has confirmed, and that nothing acknowledged before is after', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertOne({ _id: 1 });
    const { signal } = new AbortController();
    const client = new MongoClient(mongo.server.uri, { monitorCommands: true });
    const levels: unknown[] = [];
    client.on('commandStarted', ({ commandName, command }) => {
      if (commandName === 'find') levels.push(command['readConcern']?.level);
    });
    for (let n = 0; n < 30; n++) {
      const written = await path.source.command({ insert: path.name, documents: [{ n }] });
      const fence = await readFence(client.db('source'), path.name, signal);
      expect(fence.greaterThanOrEqual(written['operationTime'])).toBe(true);
    }
    await client.close();
    expect(levels).toEqual(Array.from({ length: 30 }, () => 'linearizable'));
  });

  it('until a fence has all that was acknowledged before it', async () => {
    const path = await DataPath.begin(mongo.client);
    const writing = Array.from({ length: 300 }, (_, _id) => path.orders.insertOne({ _id }));
    await Promise.all(writing.slice(0, 100));
    const acknowledged = await path.orders.countDocuments();
    const until = await path.now();
    await path.captureFrom(path.start, { until });
    const kept = (await path.changes()).length;
    await Promise.all(writing);
    expect(kept).toBeGreaterThanOrEqual(acknowledged);
    expect(acknowledged).toBeGreaterThanOrEqual(100);
  });

  it('commits in order, and only what is in the buffer', async () => {
    const path = await DataPath.begin(mongo.client);
    const documents = Array.from({ length: 35_000 }, (_, _id) => ({ _id, t: 'x'.repeat(300) }));
    await path.orders.insertMany(documents, { ordered: false });
    const tokens: string[] = [];
    let kept = 0;
    await path.captureFrom(path.start, {
      until: await path.now(),
      onCommit: async ({ token, buffered }) => {
        tokens.push(tokenOf(token));
        kept += buffered;
        const changes = await path.changes();
        const there = changes.filter((change) => change.token <= tokenOf(token));
        expect(there.length).toBeGreaterThanOrEqual(kept);
      },
    });
    expect(tokens.length).toBeGreaterThan(1);
    expect(tokens).toEqual(tokens.toSorted());
    expect(kept).toBe(35_000);
  });

  it('ends with the reason of its signal, and with an error of the one who commits', async () => {
    const path = await DataPath.begin(mongo.client);
    const stop = new AbortController();
    const endless = path.captureFrom(path.start, {
      signal: stop.signal,
      onCommit: async () => stop.abort(new Error('told to stop')),
    });
    await expect(endless).rejects.toThrow('told to stop');
    const failing = path.captureFrom(path.start, {
      onCommit: async () => {
        throw new Error('fenced');
      },
    });
    await expect(failing).rejects.toThrow('fenced');
  });
});

describe('a stream that ends', () => {
  it.each([
    ['drop', 'was dropped', (path: DataPath) => path.orders.drop()],
    ['rename', 'was renamed', (path: DataPath) => path.orders.rename(`${path.name}-renamed`)],
  ])('by %s says so, and keeps what came before', async (_what, text, end) => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertMany([{ _id: 1 }, { _id: 2 }]);
    await path.orders.deleteOne({ _id: 1 });
    await end(path);
    const capture = path.capture();
    await expect(capture).rejects.toMatchObject({ type: 'ChangeStreamEnded' });
    await expect(capture).rejects.toThrow(`source.${path.name} at the source ${text}`);
    const changes = await path.changes();
    expect(new Set(changes.map(({ id }) => id))).toEqual(new Set([keyOf(1), keyOf(2)]));
    // A server goes on from nothing that is behind the end: the next attempt has to find it again.
    expect(tokenOf((await path.control.read()).capture.through)).toBe(changes.at(-1)?.token);
    await expect(path.capture()).rejects.toMatchObject({ type: 'ChangeStreamEnded' });
  });

  it('because the buffer was dropped says that changes are lost', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.buffer.drop();
    await path.orders.insertOne({ _id: 1 });
    await expect(path.capture()).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    expect(await path.buffer.countDocuments()).toBe(0);
  });
});

function isEqual({ source, target }: { source: string; target: string }): boolean {
  return source === target;
}
