import { Double, Int32, MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Buffered } from '../../../src/mongo/buffer.js';
import { storeChanges } from '../../../src/mongo/change-store.js';
import { compareIds } from '../../../src/mongo/compare.js';
import type { RawValue } from '../../../src/mongo/raw.js';
import {
  type Any,
  CLUSTERED,
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
  mongo = await TestMongo.start('equal-ids');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const MB = 1024 * 1024;

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

describe('a replacement that gives an _id other bytes', () => {
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
    ['in a clustered collection', CLUSTERED],
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
    const tokenBytes = Buffer.alloc(0);
    const id = rawOf('a');
    const event = { token, tokenBytes, operation: 'update', id, time: await path.now() };
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

  it.each([
    ['an ordinary', {}],
    ['a clustered', CLUSTERED],
  ])(
    'whatever the two are that the server calls equal, in %s collection',
    async (_what, options) => {
      const path = await DataPath.begin(mongo.client, options);
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
    },
  );

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
    const { signal } = new AbortController();
    for (const clustered of [false, true]) {
      const side = { collection: path.name, clustered };
      const [source, target] = [
        { ...side, db: path.source },
        { ...side, db: path.target },
      ];
      const found = await compareIds(source, target, [rawOf(before)], signal);
      expect(found).toMatchObject([{ kind: 'missing', id: { key: keyOf(after) } }]);
    }
  });
});
