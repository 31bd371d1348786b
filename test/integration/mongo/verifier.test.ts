import { Double, Int32, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FencedError } from '../../../src/mongo/control.js';
import { CHANGED, Verification } from '../../../src/mongo/verification.js';
import { readRuns } from '../../../src/mongo/run-summary.js';
import { replayRanges } from '../../../src/mongo/replay-loop.js';
import { readUncompared } from '../../../src/mongo/uncompared.js';
import { Verifier, type VerifierContext } from '../../../src/mongo/verifier.js';
import { keyOf, rawOf } from '../../helpers/bson.js';
import { DataPath, must, TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;
let path: DataPath;
let verification: Verification;

beforeAll(async () => {
  mongo = await TestMongo.start('verifier');
  client = mongo.client;
});

beforeEach(async () => {
  path = await DataPath.begin(client);
  verification = new Verification(path.target, path.control);
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

/** Takes up the comparison as an activity does. The whole collection is one partition. */
async function takeUp(options: Pick<VerifierContext, 'limits' | 'clock'> = {}): Promise<Verifier> {
  const { verify } = await path.control.beginVerification();
  return new Verifier({
    source: { db: path.source, collection: path.name },
    target: { db: path.target, collection: path.name },
    control: path.control,
    plan: {
      get: async (index) => ({
        index,
        copied: true,
        read: 0,
        readBytes: 0,
        written: 0,
      }),
    },
    verification,
    epoch: verify?.epoch ?? 0,
    signal: new AbortController().signal,
    touch: () => undefined,
    ...options,
  });
}

/** Compares changed documents, and waits until it is known what their differences are. */
async function followToEnd(verifier: Verifier): Promise<number> {
  const documents = await verifier.follow();
  await verifier.settle();
  return documents;
}

/** Replay at work beside the comparison, as it is in a migration. */
async function withReplay<T>(work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const loop = (async () => {
    while (!over.signal.aborted) await path.follow();
  })();
  try {
    return await work();
  } finally {
    over.abort();
    await loop;
  }
}

/** Replays until there is nothing to apply, which is when it removes what is done with. */
async function replayUntilIdle(): Promise<void> {
  await using session = client.startSession({ causalConsistency: false });
  const taken = await path.control.takeEpoch('replay');
  if (!taken) throw new Error('the migration is held');
  const idle = new AbortController();
  const replaying = replayRanges({
    ...path.replayTarget(taken),
    signal: idle.signal,
    session,
    start: taken.replay,
    idle: async () => idle.abort(),
    onProgress: () => undefined,
  });
  await expect(replaying).rejects.toThrow('aborted');
}

/** What a group's status counts. */
async function countKnown(): Promise<number> {
  const { runId } = path.control;
  return (await readRuns(path.target, [runId])).get(runId)?.differences ?? 0;
}

async function open(partition: number) {
  const found = (await verification.open()).get(partition)?.differences ?? [];
  return found.map(({ id, kind, field }) => ({ id: id.bytes[0], kind, field }));
}

describe('the comparison of documents that change', () => {
  it('finds what a change made different, and only that', async () => {
    await path.orders.insertMany([1, 2, 3].map((n) => ({ _id: new Int32(n), a: 1 })));
    await path.follow();
    const verifier = await takeUp();
    await path.orders.updateMany({}, { $set: { a: 2 } });
    await path.follow();
    await path.copy.updateOne({ _id: new Int32(2) }, { $set: { a: new Double(2) } });
    await path.copy.deleteOne({ _id: new Int32(3) });
    expect(await withReplay(() => followToEnd(verifier))).toBe(3);
    expect(await open(CHANGED)).toEqual([
      { id: 2, kind: 'differs', field: 'a' },
      { id: 3, kind: 'missing', field: undefined },
    ]);
    const { replay, verify } = await path.control.read();
    expect(verify?.through).toBeDefined();
    expect((verify?.through ?? '') <= (replay.through ?? '')).toBe(true);
  });

  it('waits for replay before it calls a young document different', async () => {
    await path.orders.insertOne({ _id: new Int32(1), a: 1 });
    await path.follow();
    const verifier = await takeUp();
    await path.orders.updateOne({}, { $set: { a: 2 } });
    await path.follow();
    await path.orders.updateOne({}, { $set: { a: 3 } });
    const followed = followToEnd(verifier);
    await path.follow();
    await withReplay(() => followed);
    expect(await open(CHANGED)).toEqual([]);
  });

  it('forgets a difference that is gone, and keeps one that is still there', async () => {
    await path.orders.insertMany([1, 2].map((n) => ({ _id: new Int32(n), a: 1 })));
    const verifier = await takeUp();
    await path.follow();
    await path.copy.updateMany({}, { $set: { b: 1 } });
    await withReplay(() => followToEnd(verifier));
    expect(await open(CHANGED)).toHaveLength(2);
    await path.copy.updateOne({ _id: new Int32(1) }, { $unset: { b: 1 } });
    await withReplay(() => verifier.lookAgain());
    expect(await open(CHANGED)).toEqual([{ id: 2, kind: 'differs', field: 'b' }]);
  });

  it('goes on where its predecessor was, though changes are applied and removed meanwhile', async () => {
    await takeUp();
    await path.orders.insertMany([1, 2].map((n) => ({ _id: new Int32(n), a: 1 })));
    await path.follow();
    await replayUntilIdle();
    expect(await path.changes()).toHaveLength(2);
    await path.copy.deleteOne({ _id: new Int32(1) });
    const left = readUncompared(
      { db: path.target, collection: path.name },
      await path.control.read(),
      new AbortController().signal,
    );
    const ids: (number | undefined)[] = [];
    for await (const some of left) ids.push(...some.ids.map(({ bytes }) => bytes[0]));
    expect(ids).toEqual([1, 2]);
    const successor = await takeUp();
    await withReplay(() => followToEnd(successor));
    expect(await open(CHANGED)).toEqual([{ id: 1, kind: 'missing', field: undefined }]);
    await path.orders.insertOne({ _id: new Int32(3) });
    await path.capture();
    await replayUntilIdle();
    expect((await path.changes()).map(({ id }) => id)).toEqual([keyOf(new Int32(3))]);
  });

  it('of an attempt that has a successor changes nothing', async () => {
    await path.orders.insertOne({ _id: new Int32(1), a: 1 });
    await path.follow();
    const verifier = await takeUp();
    await takeUp();
    const late = withReplay(() => verifier.comparePartition(0, () => undefined));
    await expect(late).rejects.toThrow(FencedError);
    expect(await verification.partitions()).toEqual(new Map());
    await path.orders.updateOne({}, { $set: { a: 2 } });
    await path.follow();
    await expect(withReplay(() => followToEnd(verifier))).rejects.toThrow(FencedError);
  });
});

describe('what differs and may only be young', () => {
  it('holds up neither other documents nor partitions, but what the buffer may forget', async () => {
    await path.orders.insertMany([1, 2, 3].map((n) => ({ _id: new Int32(n), a: 1 })));
    await path.follow();
    const verifier = await takeUp();
    const throughOf = async () => (await path.control.read()).verify?.through ?? '';
    await path.orders.updateOne({ _id: new Int32(1) }, { $set: { a: 2 } });
    await path.follow();
    const before = await throughOf();
    await path.copy.updateOne({ _id: new Int32(1) }, { $set: { a: 3 } });
    expect(await verifier.follow()).toBe(1);
    expect(await throughOf()).toBe(before);

    // Without a replay that passes the look nothing of it is settled: all else goes on.
    await path.orders.updateOne({ _id: new Int32(2) }, { $set: { a: 2 } });
    await path.follow();
    const firstApplied = (await path.control.read()).replay.through ?? '';
    expect(await verifier.follow()).toBe(1);
    await verifier.comparePartition(0, () => undefined);
    expect(await throughOf()).toBe(before);
    expect(await open(CHANGED)).toEqual([]);

    await withReplay(() => verifier.settle());
    await verifier.follow();
    expect((await throughOf()) >= firstApplied).toBe(true);
    expect(await open(CHANGED)).toEqual([{ id: 1, kind: 'differs', field: 'a' }]);
    expect(await open(0)).toEqual([{ id: 1, kind: 'differs', field: 'a' }]);
    expect([...(await verification.partitions()).keys()]).toEqual([0]);
  });
});

describe('what an attempt has found in a partition, and not settled', () => {
  it('is looked at again by its successor', async () => {
    await path.orders.insertMany([1, 2, 3].map((n) => ({ _id: new Int32(n), a: 1 })));
    await path.follow();
    const lost = await takeUp();
    const before = await countKnown();
    // Nothing is applied: what differs now stays young.
    await path.copy.updateOne({ _id: new Int32(2) }, { $set: { a: 2 } });
    await path.copy.updateOne({ _id: new Int32(3) }, { $set: { a: 2 } });
    await lost.comparePartition(0, () => undefined);
    expect((await verification.young()).differences.map(({ id }) => id.bytes[0])).toEqual([2, 3]);
    expect(await countKnown()).toBe(before);
    await path.copy.updateOne({ _id: new Int32(3) }, { $set: { a: 1 } });
    const next = await takeUp();
    await next.takeOver();
    await withReplay(() => next.settle());
    expect(await open(CHANGED)).toEqual([{ id: 2, kind: 'differs', field: 'a' }]);
    expect((await verification.young()).sets).toEqual([]);
    expect(await countKnown()).toBe(before + 1);
  });
});

describe('a document that somebody else keeps writing to at the target', () => {
  it('is a difference, though it is another one in each look', async () => {
    await path.orders.insertOne({ _id: new Int32(1), a: 1 });
    await path.follow();
    const verifier = await takeUp();
    const over = new AbortController();
    const write = () => path.copy.updateOne({}, { $inc: { b: 1 } });
    await write();
    const writing = (async () => {
      while (!over.signal.aborted) await write();
    })();
    await withReplay(async () => {
      await verifier.comparePartition(0, () => undefined);
      await verifier.settle();
    });
    over.abort();
    await writing;
    expect(await open(0)).toEqual([{ id: 1, kind: 'differs', field: 'b' }]);
  });
});

describe('the comparison of documents that never hold still', () => {
  it('ends, and finds no difference', async () => {
    await path.orders.insertMany([1, 2].map((n) => ({ _id: new Int32(n), a: 1 })));
    await path.follow();
    const verifier = await takeUp();
    const over = new AbortController();
    const writing = (async () => {
      while (!over.signal.aborted) await path.orders.updateMany({}, { $inc: { a: 1 } });
    })();
    await withReplay(async () => {
      for (let round = 0; round < 3; round++) await verifier.follow();
      await verifier.comparePartition(0, () => undefined);
      await verifier.settle();
    });
    over.abort();
    await writing;
    expect(await verification.open()).toEqual(new Map());
  });
});

describe('the comparison while a cutover holds the migration', () => {
  it('stands aside, and goes on when it is released', async () => {
    await path.orders.insertMany([1, 2].map((n) => ({ _id: new Int32(n), a: 1 })));
    const verifier = await takeUp();
    await path.follow();
    const held = await path.control.hold(new Date());
    expect(await verifier.follow()).toBe(0);
    const comparing = verifier.comparePartition(0, () => undefined);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await verification.partitions()).toEqual(new Map());
    await path.control.release(held?.replay.epoch ?? -1);
    expect(await comparing).toMatchObject({ documents: 2 });
    expect(await verifier.follow()).toBe(0);
    expect((await path.control.read()).verify?.asOf).toBeDefined();
  });
});

describe('known differences', () => {
  const difference = (n: number) => ({ id: rawOf(new Int32(n)), kind: 'differs' as const });

  const setsOf = async (partition: number) => must((await verification.open()).get(partition)).sets;

  it('are replaced, those of one partition at a time', async () => {
    await verification.replaceOpen(0, [difference(1), difference(2)], []);
    await verification.replaceOpen(1, [difference(3)], []);
    await verification.replaceOpen(0, [difference(2)], await setsOf(0));
    expect(await open(0)).toEqual([{ id: 2, kind: 'differs', field: undefined }]);
    expect(await open(1)).toHaveLength(1);
    await verification.replaceOpen(1, [], await setsOf(1));
    expect(await open(1)).toEqual([]);
  });

  it('that a successor has found stay when an attempt comes late', async () => {
    await verification.replaceOpen(0, [difference(1)], []);
    const looked = await setsOf(0);
    await verification.replaceOpen(0, [difference(2)], looked);
    await verification.replaceOpen(0, [], looked);
    expect(await open(0)).toMatchObject([{ id: 2 }]);
    await verification.record(0, { documents: 1, bytes: 1 }, [], looked);
    expect(await open(0)).toMatchObject([{ id: 2 }]);
  });

  it('are recorded when they are too many to go on, and block', async () => {
    const many = Array.from({ length: 50_100 }, (_, n) => ({ _id: new Int32(n) }));
    await path.orders.insertMany(many);
    await path.follow();
    await path.copy.deleteMany({});
    const verifier = await takeUp();
    const comparing = withReplay(() => verifier.comparePartition(0, () => undefined));
    await expect(comparing).rejects.toThrow('more than 50000 documents differ');
    expect(await open(0)).toHaveLength(50_000);
    expect(await verification.partitions()).toEqual(new Map());
  });
});

describe('the comparison of a partition', () => {
  it('finds what somebody else has done to the target, each time anew', async () => {
    await path.orders.insertMany([1, 2, 3].map((n) => ({ _id: new Int32(n), a: 1 })));
    await path.follow();
    const verifier = await takeUp();
    const compare = () =>
      withReplay(async () => {
        const compared = await verifier.comparePartition(0, () => undefined);
        await verifier.settle();
        return compared;
      });
    expect(await compare()).toMatchObject({ documents: 3 });
    expect(await open(0)).toEqual([]);
    await path.copy.insertOne({ _id: new Int32(9) });
    await path.copy.updateOne({ _id: new Int32(2) }, [{ $replaceWith: { a: 1, _id: '$_id' } }]);
    await path.copy.updateOne({ _id: new Int32(1) }, { $set: { a: new Double(1) } });
    await compare();
    expect(await open(0)).toEqual([
      { id: 1, kind: 'differs', field: 'a' },
      { id: 9, kind: 'extra', field: undefined },
    ]);
    await path.copy.deleteOne({ _id: new Int32(9) });
    await path.copy.updateOne({ _id: new Int32(1) }, { $set: { a: new Int32(1) } });
    await compare();
    expect(await open(0)).toEqual([]);
  });
});

describe('the comparison of a partition within limits', () => {
  it.each([{ documentsPerSecond: 10 }, { bytesPerSecond: 10_000 }])(
    'waits as long as %j want, and follows what changes meanwhile',
    async (limits) => {
      const text = 'x'.repeat(1_000);
      const documents = Array.from({ length: 100 }, (_, n) => ({ _id: new Int32(n), text }));
      await path.orders.insertMany(documents);
      await path.follow();
      let now = 0;
      const compared: (string | undefined)[] = [];
      const clock = {
        now: () => now,
        // Nothing but waiting takes time here; a document changes in each wait.
        wait: async (ms: number) => {
          now += ms;
          const { verify } = await path.control.read();
          compared.push(verify?.through);
          await path.orders.updateOne({ _id: new Int32(1) }, { $inc: { a: 1 } });
          await path.follow();
        },
      };
      const verifier = await takeUp({ limits, clock });
      await verifier.comparePartition(0, () => undefined);
      expect(now / 1000).toBeGreaterThan(8);
      expect(now / 1000).toBeLessThan(12);
      expect(new Set(compared).size).toBeGreaterThan(5);
      expect(await verification.open()).toEqual(new Map());
    },
  );

  it('limits changed documents not at all', async () => {
    await path.orders.insertMany(Array.from({ length: 100 }, (_, n) => ({ _id: new Int32(n) })));
    const waits: number[] = [];
    const clock = { now: () => 0, wait: async (ms: number) => void waits.push(ms) };
    const verifier = await takeUp({ limits: { documentsPerSecond: 1 }, clock });
    await path.follow();
    expect(await verifier.follow()).toBe(100);
    expect(waits).toEqual([]);
  });
});

it('ends where more differs than is worth keeping, and goes on once that is gone', async () => {
  await verification.replaceOpen(
    7,
    Array.from({ length: 100_001 }, (_, n) => ({ id: rawOf(n), kind: 'extra' as const })),
    [],
  );
  const verifier = await takeUp();
  await expect(verifier.comparePartition(0, () => undefined)).rejects.toMatchObject({
    type: 'TooManyDifferences',
    message: expect.stringContaining('more than 100000 documents differ'),
  });
  await verifier.takeOver();
  await withReplay(() => verifier.comparePartition(0, () => undefined));
  expect(await verification.known()).toEqual([]);
});
