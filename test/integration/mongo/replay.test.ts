import { BSON, type Document, MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyRange } from '../../../src/mongo/replay.js';
import { type Range, readRange } from '../../../src/mongo/range.js';
import { RawValue, runWithDocuments } from '../../../src/mongo/raw.js';
import { tokenTime } from '../../../src/mongo/token.js';
import { documentOf, everyId, keyOf, stringBytes } from '../../helpers/bson.js';
import { CLUSTERED, DataPath, must, TestMongo, tokenOf } from '../../helpers/data-path.js';
import { randomFrom } from '../../helpers/random.js';
import { changeRandomly } from '../../helpers/random-changes.js';

let mongo: TestMongo;
let client: MongoClient;

beforeAll(async () => {
  mongo = await TestMongo.start('replay', ['--setParameter', 'enableTestCommands=1']);
  client = mongo.client;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const COLLATED = { exactOnly: true, collection: { collation: { locale: 'en' } } };
const NO_LIMITS = { events: 100_000, bytes: Infinity };

/** The range of everything that is captured. */
async function wholeRange(path: DataPath): Promise<Range> {
  const { signal } = new AbortController();
  const { capture } = await path.control.read();
  const upTo = tokenOf(capture.through);
  return readRange(path.target, path.name, undefined, upTo, NO_LIMITS, signal);
}

/** How many `$merge` commands the server is given meanwhile. */
async function merges(work: () => Promise<unknown>): Promise<number> {
  const read = async (): Promise<number> => {
    const { metrics } = await client.db('admin').command({ serverStatus: 1 });
    return Number(metrics.aggStageCounters.$merge);
  };
  const before = await read();
  await work();
  return (await read()) - before;
}

/** Applies a range as the newest attempt. */
async function apply(path: DataPath, range: Range): Promise<void> {
  await using session = client.startSession({ causalConsistency: false });
  const taken = must(await path.control.takeEpoch('replay'));
  await applyRange({ ...path.replayTarget(taken), session }, range);
}

describe('replay', () => {
  it.each([
    ['an ordinary', {}],
    ['a clustered', CLUSTERED],
  ])(
    'ends equal after random changes of %s collection with every type of _id',
    async (_what, options) => {
      const { 'timestamp 0': own, ...rest } = everyId;
      expect(own).toBeInstanceOf(Timestamp); // It has a test of its own below.
      const [first = null, ...others] = Object.values(rest);
      for (const seed of [1, 2, 3]) {
        const path = await DataPath.begin(client, options);
        const random = randomFrom(seed);
        for (let round = 0; round < 4; round++) {
          await changeRandomly(path, random, [first, ...others], 100);
          await path.capture();
          if (random() < 0.7) await path.replay();
        }
        await path.follow();
        const { source, target } = await path.sides();
        expect(source.size, `seed ${seed}`).toBeGreaterThan(5);
        expect(target, `seed ${seed}`).toEqual(source);
        expect(await path.hashes(), `seed ${seed}`).toSatisfy(isEqual);
      }
    },
  );

  it('brings a document whose _id is the empty timestamp', async () => {
    const path = await DataPath.begin(client);
    const id = new Timestamp(0n);
    await path.orders.insertOne({ _id: id, v: 1 });
    expect([...(await path.sides()).source.keys()]).toEqual([keyOf(id)]);
    await path.follow();
    expect((await path.sides()).target).toEqual((await path.sides()).source);
    await path.orders.updateOne({ _id: id }, { $set: { v: 2, other: new Timestamp(1n) } });
    await path.follow();
    expect((await path.sides()).target).toEqual((await path.sides()).source);
  });

  it('brings bytes that no driver would write', async () => {
    const path = await DataPath.begin(client);
    const odd = documentOf(
      [0x10, '_id', Buffer.from([1, 0, 0, 0])],
      [0x02, 'not UTF-8', stringBytes(Buffer.from([0xff, 0xc0, 0x61]))],
      [0x09, 'far date', Buffer.from('ffffffffffffff7f', 'hex')],
      [0x06, 'undefined', Buffer.alloc(0)],
      [0x0e, 'symbol', stringBytes('s')],
      [0x0c, 'pointer', Buffer.concat([stringBytes('a.b'), Buffer.alloc(12, 7)])],
      [0x13, 'decimal', Buffer.alloc(16, 0x30)],
      [0x02, 'twice', stringBytes('a')],
      [0x02, 'twice', stringBytes('b')],
    );
    await runWithDocuments(path.source, { insert: path.name }, 'documents', [odd]);
    await path.follow();
    expect([...(await path.sides()).target.values()]).toEqual([odd]);
    // And again, over a document that is there.
    await path.orders.updateMany({}, { $set: { more: 1 } });
    await path.follow();
    expect((await path.sides()).target).toEqual((await path.sides()).source);
  });

  it('brings an _id that is no UTF-8, which the answer to a write repeats', async () => {
    const path = await DataPath.begin(client);
    const odd = documentOf(
      [0x02, '_id', stringBytes(Buffer.from([0x61, 0xff]))],
      [0x10, '$written by the worker', Buffer.alloc(4)],
    );
    await path.follow();
    await runWithDocuments(path.source, { insert: path.name }, 'documents', [odd]);
    await path.follow();
    expect([...(await path.sides()).target.values()]).toEqual([odd]);
  });

  it.each([
    ['$-prefixed ones', [0x10, '$x', Buffer.alloc(4)], {}],
    ['others under a collation', [0x10, 'x', Buffer.alloc(4)], COLLATED],
  ] as const)('brings names that occur twice, beside %s', async (_what, element, options) => {
    const path = await DataPath.begin(client, options);
    const twice: [number, string, Uint8Array][] = [
      [0x02, 'twice', stringBytes('a')],
      [0x02, 'once', stringBytes('b')],
      [0x02, 'twice', stringBytes('c')],
    ];
    const odd = (n: number) =>
      documentOf(
        [0x10, '_id', Buffer.from([1, 0, 0, 0])],
        [0x10, 'n', Buffer.from([n, 0, 0, 0])],
        [...element],
        ...twice,
      );
    await runWithDocuments(path.source, { insert: path.name }, 'documents', [odd(1)]);
    await path.follow();
    expect([...(await path.sides()).target.values()]).toEqual([odd(1)]);
    // Over a document that is there: a pipeline would make a 6.0 server compute a difference, and abort.
    await path.orders.updateOne({}, { $set: { n: 2 } });
    await path.follow();
    expect([...(await path.sides()).target.values()]).toEqual([odd(2)]);
    await path.orders.updateOne({}, { $unset: { twice: '' } });
    await path.orders.updateOne({}, { $unset: { twice: '' } });
    await path.follow();
    expect((await path.sides()).target).toEqual((await path.sides()).source);
  });

  it.each([
    ['nested', { a: { $set: { $inc: 1 } }, 'a.b': 1, '': '$_id' }],
    ['at the top', { $set: { $inc: 1 }, $hide: 1 }],
    ['at the top, beside an empty timestamp', { $ref: 'x', t: new Timestamp(0n) }],
  ])('brings names that begin with $, %s', async (_where, body) => {
    const path = await DataPath.begin(client);
    const document = { _id: 1, ...body };
    await path.orders.insertOne({ _id: 1 });
    // Since 5.0 a server takes such names.
    await path.orders.updateOne({ _id: 1 }, [
      { $replaceWith: { $literal: RawValue.document(BSON.serialize(document)) } },
    ]);
    await path.follow();
    const { source, target } = await path.sides();
    expect([...source.values()]).toEqual([Buffer.from(BSON.serialize(document))]);
    expect(target).toEqual(source);
    // And again, over the document that is there now.
    await path.orders.updateOne({ _id: 1 }, { $set: { more: 1 } });
    await path.follow();
    expect((await path.sides()).target).toEqual((await path.sides()).source);
  });

  it('takes smaller ranges where the target does not apply one in time', async () => {
    const path = await DataPath.begin(client);
    await path.orders.insertMany(Array.from({ length: 1_000 }, (_, _id) => ({ _id, v: 1 })));
    await path.capture();
    const failing = (mode: unknown) =>
      client.db('admin').command({
        configureFailPoint: 'failCommand',
        mode,
        data: { failCommands: ['aggregate'], errorCode: 50 },
      });
    await failing({ times: 2 });
    expect(await path.replay()).toBe(1_000);
    expect(await path.hashes()).toSatisfy(isEqual);
    // One that is small already is what is wrong.
    await path.orders.insertOne({ _id: 'one more' });
    await path.capture();
    await failing('alwaysOn');
    try {
      await expect(path.replay()).rejects.toMatchObject({ code: 50 });
    } finally {
      await failing('off');
    }
    await path.replay();
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('takes larger ranges while that is quick, which the target merges in many parts', async () => {
    const path = await DataPath.begin(client);
    const ids = Array.from({ length: 150_000 }, (_, id) => (id % 3 ? id : `order ${id}`));
    await path.orders.insertMany(ids.map((_id) => ({ _id, v: 1 })));
    await path.capture();
    const end = new Error('all is applied');
    await expect(path.replay(undefined, () => Promise.reject(end))).rejects.toBe(end);
    const sizes = path.applied.map((applied, at) => applied - (path.applied[at - 1] ?? 0));
    // Those that fit into it, in bundles.
    for (const [at, size] of sizes.slice(0, 4).entries()) {
      expect(size).toBeLessThanOrEqual(500 * 4 ** at);
    }
    expect(sizes[1]).toBeGreaterThan(500);
    expect(path.applied.at(-1)).toBe(150_000);
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('merges few documents that are large in parts, too', async () => {
    const path = await DataPath.begin(client);
    for (let _id = 0; _id < 12; _id++) {
      await path.orders.insertOne({ _id, text: String.fromCharCode(97 + _id).repeat(12_000_000) });
    }
    await path.capture();
    expect(await merges(() => path.replay())).toBe(3);
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('applies no more at once than it may', async () => {
    const path = await DataPath.begin(client);
    await path.orders.insertMany(Array.from({ length: 250 }, (_, _id) => ({ _id })));
    await path.capture();
    expect(await path.replay(100)).toBe(250);
    expect(path.applied).toEqual([100, 200, 250, 250]);
    expect(await path.hashes()).toSatisfy(isEqual);
  });

  it('changes nothing when a range is applied again', async () => {
    const path = await DataPath.begin(client);
    await changeRandomly(path, randomFrom(4), [1, 2, 3, 'a', null, new Map([['b', 1]])], 120);
    await path.capture();
    const range = await wholeRange(path);
    expect(range.last).toBe(true);
    await apply(path, range);
    const once = await path.hashes();
    expect(once).toSatisfy(isEqual);
    await apply(path, range);
    expect(await path.hashes()).toEqual(once);
  });

  it('removes first what a range deletes, and then writes what it leaves', async () => {
    const path = await DataPath.begin(client);
    // The buffer holds both because they came in different batches.
    await path.orders.insertOne({ _id: 1, v: 1 });
    await path.capture();
    await path.orders.deleteOne({ _id: 1 });
    await path.capture();
    await path.orders.insertOne({ _id: 1, v: 2 });
    await path.orders.insertOne({ _id: 2 });
    await path.capture();
    await path.orders.deleteOne({ _id: 2 });
    await path.capture();
    const range = await wholeRange(path);
    expect(range.changes.map(({ code }) => code)).toEqual(['u', 'd', 'u', 'u', 'd']);
    await apply(path, range);
    expect(await path.copy.find().toArray()).toEqual([{ _id: 1, v: 2 }]);
  });

  it('reads ranges by number and by bytes, without gap or overlap', async () => {
    const path = await DataPath.begin(client);
    const bundles = [1, 5, 1, 20, 23];
    let next = 0;
    for (const size of bundles) {
      const ids = Array.from({ length: size }, () => next++);
      await path.orders.insertMany(ids.map((_id) => ({ _id, t: 'x'.repeat(1000) })));
      await path.capture();
    }
    const upTo = tokenOf((await path.control.read()).capture.through);
    const { signal } = new AbortController();
    // As many bundles as there is room for, and one at least.
    const ranges: [{ events: number; bytes: number }, number[]][] = [
      [{ events: 7, bytes: Infinity }, [7, 20, 23]],
      [{ events: 27, bytes: Infinity }, [27, 23]],
      [{ events: 49, bytes: Infinity }, [27, 23]],
      [{ events: 50, bytes: Infinity }, [50]],
      [{ events: 1000, bytes: 3_000 }, [6, 21, 23]],
      [{ events: 1000, bytes: 10_000 }, [27, 23]],
      [{ events: 1000, bytes: 1 }, bundles],
      [{ events: 1, bytes: Infinity }, bundles],
    ];
    for (const [limits, expected] of ranges) {
      const seen: string[] = [];
      const sizes: number[] = [];
      let after: string | undefined;
      for (;;) {
        const range = await readRange(path.target, path.name, after, upTo, limits, signal);
        sizes.push(range.changes.length);
        expect(range.full).toBe(!range.last && limits.bytes === Infinity);
        seen.push(...range.changes.map(({ id }) => id.key));
        expect(range.after).toBe(after);
        after = range.end;
        if (range.last) break;
      }
      expect(after).toBe(upTo);
      expect(sizes).toEqual(expected);
      expect(seen).toEqual(Array.from({ length: 50 }, (_, id) => keyOf(id)));
    }
  });

  it('reads nothing beyond what is captured, though more is in the buffer', async () => {
    const path = await DataPath.begin(client);
    await path.orders.insertOne({ _id: 1 });
    await path.capture();
    await path.orders.insertOne({ _id: 2 });
    // Another batch, in the buffer and not yet recorded: one before it may still be missing.
    await path.captureFrom(must(path.commits.at(-1)).token, { until: await path.now() });
    expect(await path.buffer.countDocuments()).toBe(2);
    await path.replay();
    expect(await path.copy.find().toArray()).toEqual([{ _id: 1 }]);
  });

  it('records how far it is, and leaves nothing applied in the buffer for long', async () => {
    const path = await DataPath.begin(client);
    await path.orders.insertMany(Array.from({ length: 100 }, (_, _id) => ({ _id })));
    await path.capture();
    expect(await path.replay()).toBe(100);
    const { capture, replay } = await path.control.read();
    expect(replay.through).toBe(tokenOf(capture.through));
    expect(replay.events).toBe(100);
    expect(await path.replay()).toBe(0);
  });
});

describe('deletes of documents of which nobody knows how large they are', () => {
  const ns = () => `target.${path.name}`;
  let path: DataPath;

  beforeEach(async () => {
    path = await DataPath.begin(client);
    const documents = Array.from({ length: 3_000 }, (_, _id) => ({ _id }));
    for (const each of [path.orders, path.copy]) await each.insertMany(documents);
    await path.orders.deleteMany({});
    await path.capture();
  });

  /** Treats the first delete so. @returns how many documents were deleted at a time */
  async function replay(how: object): Promise<number[]> {
    await client.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['delete'], ...how },
    });
    await path.replay();
    expect(await path.copy.countDocuments()).toBe(0);
    const transactions = await client
      .db('local')
      .collection('oplog.rs')
      .find({ 'o.applyOps': { $elemMatch: { ns: ns(), op: 'd' } } }, { sort: { $natural: 1 } })
      .toArray();
    const isOurs = (one: { ns: string }) => one.ns === ns();
    const sizes = transactions.map(({ o }): number => o.applyOps.filter(isOurs).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3_000);
    return sizes.slice(0, 4);
  }

  it('are more at a time while that is quick, and fewer where it is slow', async () => {
    const slow = { blockConnection: true, blockTimeMS: 5_500 };
    expect(await replay(slow)).toEqual([100, 12, 48, 192]);
  });

  it('are fewer where the server ends a transaction that takes too long', async () => {
    const TransactionExceededLifetimeLimitSeconds = 290;
    const sizes = await replay({ errorCode: TransactionExceededLifetimeLimitSeconds });
    expect(sizes).toEqual([12, 48, 192, 768]);
  });
});

function isEqual({ source, target }: { source: string; target: string }): boolean {
  return source === target;
}

describe('a document that the replay reads from the source', () => {
  it('is none from before its change: a new primary may know less by majority', async () => {
    const path = await DataPath.begin(client);
    await path.orders.insertOne({ _id: 1 });
    await path.capture();
    await path.buffer.updateMany({}, { $set: { 'c.$[].o': 'r' }, $unset: { 'c.$[].d': '' } });
    const range = await wholeRange(path);
    const watched = new MongoClient(mongo.server.uri, { monitorCommands: true });
    const finds: Document[] = [];
    watched.on('commandStarted', ({ commandName, command }) => {
      if (commandName === 'find') finds.push(command);
    });
    try {
      await using session = client.startSession({ causalConsistency: false });
      const taken = must(await path.control.takeEpoch('replay'));
      const source = watched.db('source');
      await applyRange({ ...path.replayTarget(taken), session, source }, range);
    } finally {
      await watched.close();
    }
    expect(await path.copy.countDocuments()).toBe(1);
    expect(finds).toMatchObject([
      { find: path.name, readConcern: { afterClusterTime: tokenTime(range.end) } },
    ]);
  });
});
