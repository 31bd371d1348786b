import { Double, Int32, MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Buffered } from '../../../src/mongo/buffer.js';
import { storeChanges } from '../../../src/mongo/change-store.js';
import { compareIds } from '../../../src/mongo/compare.js';
import type { RawValue } from '../../../src/mongo/raw.js';
import {
  type Any,
  DataPath,
  must,
  type PathOptions,
  TestMongo,
  tokenOf,
} from '../../helpers/data-path.js';
import { keyOf, rawOf } from '../../helpers/bson.js';
import { int, object } from '../../soak/bytes.js';
import { Dice } from '../../soak/dice.js';
import { idSeries, singularIds } from '../../soak/ids.js';

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('capture');
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

  it('keeps only the last of several events of one document in a batch', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertMany([{ _id: 1, n: 0 }, { _id: 2 }]);
    for (let n = 0; n < 20; n++) await path.orders.updateOne({ _id: 1 }, { $inc: { n: 1 } });
    await path.orders.deleteOne({ _id: 2 });
    const commits = await path.capture();
    const events = commits.reduce((sum, commit) => sum + commit.events, 0);
    const buffered = commits.reduce((sum, commit) => sum + commit.buffered, 0);
    expect(events).toBe(23);
    expect(await path.buffer.countDocuments()).toBe(buffered);
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

  it('tells an _id that changed its bytes but not its value from what it was', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertOne({ _id: new Int32(5), v: 1 });
    await path.follow();
    await path.orders.deleteOne({ _id: 5 });
    await path.orders.insertOne({ _id: new Double(5), v: 1 });
    await path.follow();
    const { source, target } = await path.sides();
    expect([...source.keys()]).toEqual([keyOf(new Double(5))]);
    expect(target).toEqual(source);
    await path.orders.deleteOne({ _id: 5 });
    await path.orders.insertOne({ _id: new Int32(5) });
    await path.orders.updateOne({ _id: 5 }, { $set: { v: 2 } });
    await path.follow();
    expect((await path.sides()).target).toEqual((await path.sides()).source);
  });

  describe('of an _id that a replacement gives other bytes', () => {
    const before = new Int32(5);
    const after = new Double(5);

    /** Writes over the document of an `_id` that is equal. */
    const replace = (path: DataPath, _id: Any['_id'], fields: object) =>
      path.orders.replaceOne({ _id }, { _id, ...fields }, { upsert: true });

    it('brings the document, though its event names the former ones only', async () => {
      const path = await DataPath.begin(mongo.client);
      await path.orders.insertOne({ _id: before, v: 1 });
      await path.orders.insertMany([new Int32(1), new Int32(2)].map((_id) => ({ _id })));
      await path.follow();
      await path.orders.updateMany({}, { $set: { v: 2 } });
      await replace(path, after, { v: 2 });
      await path.follow();
      const { source, target } = await path.sides();
      expect([...source.keys()]).toContain(keyOf(after));
      expect(target).toEqual(source);
      expect((await path.changes()).map(({ id }) => id)).toContain(keyOf(after));
    });

    it.each([
      ['to and fro in one batch', [after, before, after]],
      ['and back again', [after, before]],
    ])('%s', async (_what, ids) => {
      const path = await DataPath.begin(mongo.client);
      await path.orders.insertOne({ _id: before, v: 1 });
      for (const [at, _id] of ids.entries()) await replace(path, _id, { v: at });
      await path.follow();
      expect((await path.sides()).target).toEqual((await path.sides()).source);
    });

    it('after a form that the worker has to write itself, in one range', async () => {
      const path = await DataPath.begin(mongo.client);
      const empty = new Timestamp(0n);
      await path.orders.insertOne({ _id: before, v: 1 });
      await path.orders.updateOne({ _id: before }, [{ $set: { empty } }]);
      await path.capture();
      await replace(path, after, { v: 2 });
      await path.capture();
      await path.orders.updateOne({ _id: after }, { $set: { v: 3 } });
      await path.follow();
      expect((await path.sides()).target).toEqual((await path.sides()).source);
    });

    it.each([
      ['in a transaction', {}],
      ['in a capped collection', { collection: { capped: true, size: 100_000 }, capped: true }],
      [
        'under a collation',
        { collection: { collation: { locale: 'en', strength: 2 } }, exactOnly: true },
      ],
    ])('%s', async (_what, options: PathOptions) => {
      const path = await DataPath.begin(mongo.client, options);
      await path.orders.insertMany([{ _id: before, v: 1 }, { _id: 'last' }]);
      await path.follow();
      if (options.capped) await replace(path, after, { v: 1 });
      else {
        await mongo.client.withSession((session) =>
          session.withTransaction(async () => {
            await path.orders.replaceOne({ _id: 5 }, { _id: after, v: 2 }, { session });
            await path.orders.updateOne({ _id: 5 }, { $set: { v: 3 } }, { session });
          }),
        );
      }
      await path.follow();
      const { source, target } = await path.sides();
      expect([...source.keys()]).toEqual([after, 'last'].map(keyOf));
      expect(target).toEqual(source);
      if (options.capped) expect([...target.keys()]).toEqual([...source.keys()]);
    });

    it('brings one of other letter case that came by a delete and an insert', async () => {
      const options = { collation: { locale: 'en', strength: 2 } };
      const path = await DataPath.begin(mongo.client, { collection: options, exactOnly: true });
      await path.orders.insertOne({ _id: 'a', v: 1 });
      await path.follow();
      await path.orders.deleteOne({ _id: 'a' });
      await path.orders.insertOne({ _id: 'A', v: 3 });
      // Of a change before the delete, which came too late for its own document.
      const { capture } = await path.control.read();
      const token = `${tokenOf(capture.through)}00`;
      const { signal } = new AbortController();
      const buffer = new Buffered(path.target, path.name, undefined);
      const route = { source: path.source, collection: path.name, buffer, natural: false };
      const event = { token, operation: 'update', id: rawOf('a'), time: await path.now() };
      await storeChanges(route, [event], signal);
      await path.control.set({ 'capture.through': { _data: token } });
      await path.replay();
      expect([...(await path.sides()).target.keys()]).toEqual([keyOf('A')]);
      await path.capture(capture.through);
      await path.replay();
      expect((await path.sides()).target).toEqual((await path.sides()).source);
    });

    it('brings one that is too large for the buffer', async () => {
      const path = await DataPath.begin(mongo.client);
      await path.orders.insertOne({ _id: before, v: 1 });
      await path.follow();
      await replace(path, after, { body: Buffer.alloc(16 * MB - 40) });
      await path.capture();
      expect((await path.changes()).at(-1)).toMatchObject({ kind: 'r', id: keyOf(after) });
      await path.replay();
      const { source, target } = await path.sides();
      // A difference of 16 MB is not for reading.
      expect(must(source.get(keyOf(after))).equals(must(target.get(keyOf(after))))).toBe(true);
    });

    it('whatever the two are, of which the server says that they are equal', async () => {
      const path = await DataPath.begin(mongo.client);
      const dice = new Dice('equal ids');
      const made = Array.from({ length: 60 }, (_, n) => idSeries.mixed(n + 1, dice));
      const series = [
        ...singularIds,
        ...made.map(({ n, equals }) => equals.map((make) => make(n))),
      ];
      const groups = series.filter((ids) => ids.length > 1);
      const document = (_id: RawValue, v: number) => object(['_id', _id], ['v', int(v)]);
      await path.source.command({
        insert: path.name,
        documents: groups.map(([first]) => document(must(first), 0)),
      });
      await path.follow();
      for (let at = 1; at < Math.max(...groups.map(({ length }) => length)); at++) {
        const updates = groups.flatMap((ids) => {
          const [first, next] = [ids[0], ids[at]];
          return first && next ? [{ q: { _id: { $eq: first } }, u: document(next, at) }] : [];
        });
        const { n } = await path.source.command({ update: path.name, updates });
        expect(n).toBe(updates.length);
        await path.follow();
        const { source, target } = await path.sides();
        expect(target).toEqual(source);
        expect(source.size).toBe(groups.length);
      }
      expect(groups.length).toBeGreaterThan(30);
    });

    it('thousands of them, by few commands', async () => {
      const watched = new MongoClient(mongo.server.uri, { monitorCommands: true });
      try {
        const path = await DataPath.begin(watched);
        const numbers = Array.from({ length: 2_000 }, (_, n) => n);
        await path.orders.insertMany(numbers.map((n) => ({ _id: new Int32(n), v: n })));
        await path.follow();
        await path.orders.bulkWrite(
          numbers.map((n) => ({
            replaceOne: { filter: { _id: n }, replacement: { _id: new Double(n), v: -n } },
          })),
        );
        let reads = 0;
        watched.on('commandStarted', ({ commandName }) => {
          if (commandName === 'find' || commandName === 'aggregate') reads += 1;
        });
        path.touches = 0;
        await path.capture();
        // Batch by batch: one that looks for all, one for any that is equal, and two for each 500.
        expect(reads).toBeLessThan(100);
        expect(path.touches).toBeGreaterThan(8);
        await path.replay();
        const { source, target } = await path.sides();
        expect(target).toEqual(source);
      } finally {
        await watched.close();
      }
    });

    it('is found by the comparison of the former one', async () => {
      const path = await DataPath.begin(mongo.client);
      await path.orders.insertOne({ _id: after, v: 1 });
      const sides = [path.source, path.target].map((db) => ({ db, collection: path.name }));
      const { signal } = new AbortController();
      const found = await compareIds(must(sides[0]), must(sides[1]), [rawOf(before)], signal);
      expect(found).toMatchObject([{ kind: 'missing', id: { key: keyOf(after) } }]);
    });
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

  it('stores nothing twice when it starts again from an older token', async () => {
    const path = await DataPath.begin(mongo.client);
    await path.orders.insertMany(Array.from({ length: 50 }, (_, _id) => ({ _id, n: 0 })));
    await path.orders.updateMany({ _id: { $lt: 10 } }, { $inc: { n: 1 } });
    await path.capture();
    const before = await path.changes();
    expect(before.length).toBeGreaterThan(0);
    await path.orders.updateMany({}, { $inc: { n: 1 } });
    await path.captureFrom(path.start, { until: must(path.commits.at(-1)).time });
    const after = await path.changes();
    expect(after.slice(0, before.length)).toEqual(before);
    await path.follow();
    expect(await path.hashes()).toSatisfy(isEqual);
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
        const filter = { _id: { $lte: tokenOf(token) } };
        expect(await path.buffer.countDocuments(filter)).toBeGreaterThanOrEqual(kept);
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
