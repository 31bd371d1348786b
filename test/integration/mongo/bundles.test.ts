import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Buffered } from '../../../src/mongo/buffer.js';
import { readStartToken } from '../../../src/mongo/change-stream.js';
import type { CaptureCommit } from '../../../src/mongo/capture.js';
import { readRange } from '../../../src/mongo/range.js';
import type { ResumeToken } from '../../../src/mongo/token.js';
import { DataPath, must, type PathOptions, TestMongo, tokenOf } from '../../helpers/data-path.js';
import { deferred } from '../../helpers/deferred.js';
import { Dice } from '../../soak/dice.js';

/** What attempts leave in the buffer that have read the same events, each with documents of its own time. */

const MANY = 1_000;
/** An insert that is held until it is let go, or for ever. */
type Gate = () => Promise<void>;

let mongo: TestMongo;

beforeAll(async () => {
  mongo = await TestMongo.start('bundles');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

class HeldBuffer extends Buffered {
  readonly #gate: Gate;

  constructor(db: Db, name: string, gate: Gate) {
    super(db, name, undefined);
    this.#gate = gate;
  }

  override async insert(...given: Parameters<Buffered['insert']>): Promise<number> {
    await this.#gate();
    return super.insert(...given);
  }

  override async insertEach(...given: Parameters<Buffered['insertEach']>): Promise<number> {
    await this.#gate();
    return super.insertEach(...given);
  }
}

/** An attempt from a token to now, which nobody records. */
async function attempt(
  path: DataPath,
  start: ResumeToken,
  gate: Gate = async () => undefined,
): Promise<CaptureCommit[]> {
  const commits: CaptureCommit[] = [];
  await path.captureFrom(start, {
    until: await path.now(),
    buffer: new HeldBuffer(path.target, path.name, gate),
    onCommit: async (commit) => void commits.push(commit),
  });
  return commits;
}

/** An attempt from the start that stands still before its first insert. */
async function frozenAttempt(path: DataPath): Promise<{ readonly goOn: () => Promise<unknown> }> {
  const held = deferred();
  let isHeld = false;
  const late = attempt(path, path.start, async () => {
    isHeld = true;
    await held.promise;
  });
  await expect.poll(() => isHeld).toBe(true);
  return {
    goOn: () => {
      held.resolve();
      return late;
    },
  };
}

/** Writes at random; each document counts its changes in `n`, and begins anew when it is inserted again. */
async function writeSome(path: DataPath, dice: Dice, most: number): Promise<void> {
  for (let left = dice.below(most) + 1; left > 0; left--) {
    const _id = dice.below(30);
    if (dice.below(5) === 0) await path.orders.deleteOne({ _id });
    else await path.orders.updateOne({ _id }, { $inc: { n: 1 } }, { upsert: true });
  }
}

const seeds = Array.from({ length: 12 }, (_, seed) => seed);

describe.each(seeds)('attempts that overlap, seed %i', (seed) => {
  it.each<[string, PathOptions]>([
    ['a collection', {}],
    ['a capped one', { capped: true, collection: { capped: true, size: 2 ** 20 } }],
  ])('lose and undo nothing: %s', async (_what, options) => {
    const { capped = false } = options;
    const dice = new Dice(`bundles${seed}`);
    const path = await DataPath.begin(mongo.client, options);
    const tokens: ResumeToken[] = [path.start];
    for (let round = 0; round < 12; round++) {
      await writeSome(path, dice, 25);
      // From where any of them was, so that each reads the documents at another time.
      const start = must(tokens[dice.below(tokens.length)]);
      const commits = await attempt(path, start);
      tokens.push(must(commits.at(-1)).token);
      if (dice.below(3) > 0) continue;
      await path.capture();
      const upTo = tokenOf((await path.control.read()).capture.through);
      await path.replay();
      expect(must((await path.control.read()).replay.through) >= upTo).toBe(true);
      // Nothing has changed at the source since it was captured.
      await expectEqual(path, capped);
    }
    await path.follow();
    await expectEqual(path, capped);
  });
});

it('an insert that comes late is neither an end of newer changes nor applied when all is applied', async () => {
  const path = await DataPath.begin(mongo.client);
  const ids = Array.from({ length: 300 }, (_, _id) => ({ _id, n: 0 }));
  await path.orders.insertMany(ids);
  const late = await frozenAttempt(path);
  await path.orders.updateMany({}, { $inc: { n: 1 } });
  await path.orders.deleteMany({ _id: { $lt: 100 } });
  await path.follow();
  await late.goOn();
  await sleep(100);
  await path.follow();
  expect(await path.hashes()).toSatisfy(isEqual);
  await path.orders.updateMany({ _id: { $gte: 200 } }, { $inc: { n: 1 } });
  await path.follow();
  expect(await path.hashes()).toSatisfy(isEqual);
});

it('an insert that comes late from a migration before this one is not applied', async () => {
  const path = await DataPath.begin(mongo.client);
  await path.orders.insertOne({ _id: 1, n: 0 });
  const late = await frozenAttempt(path);
  await path.orders.updateOne({ _id: 1 }, { $inc: { n: 1 } });
  const startToken = await readStartToken(path.source, path.name);
  await path.control.set({ startToken });
  await path.copy.insertOne({ _id: 1, n: 1 });
  await path.orders.insertOne({ _id: 2 });
  await late.goOn();
  // It may have read the second change by now.
  const [first] = await path.buffer.find().sort({ _id: 1 }).toArray();
  await path.buffer.deleteMany({ _id: { $ne: must(first)._id } });
  await path.capture(startToken);
  await path.replay();
  expect(await path.hashes()).toSatisfy(isEqual);
});

it('an attempt that began later takes nothing from one that ends with the same change', async () => {
  const path = await DataPath.begin(mongo.client);
  await path.orders.insertMany(Array.from({ length: 20 }, (_, _id) => ({ _id })));
  const middle = must((await attempt(path, path.start)).at(-1)).token;
  await path.buffer.deleteMany({});
  await path.orders.insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: 20 + n })));
  await attempt(path, middle);
  await path.follow();
  expect(await path.hashes()).toSatisfy(isEqual);
});

it('a single change that two attempts put there is there once', async () => {
  const path = await DataPath.begin(mongo.client);
  await path.orders.insertOne({ _id: 1 });
  await attempt(path, path.start);
  await attempt(path, path.start);
  expect(await path.changes()).toHaveLength(1);
});

it('what an attempt has put there before it was lost amid large documents hides nothing', async () => {
  const path = await DataPath.begin(mongo.client);
  const write = (ids: number[], n: number) =>
    path.orders.insertMany(ids.map((_id) => ({ _id, n, text: 'x'.repeat(2 ** 20) })));
  await write(
    Array.from({ length: 30 }, (_, _id) => _id),
    0,
  );
  let inserts = 0;
  const lost = attempt(path, path.start, async () => {
    inserts += 1;
    if (inserts > 1) throw new Error('lost');
  });
  await expect(lost).rejects.toThrow('lost');
  const left = (await path.changes()).length;
  expect(left).toBeGreaterThan(10);
  expect(left).toBeLessThan(30);
  await path.orders.updateMany({}, { $set: { text: 'small' } });
  await path.orders.deleteMany({ _id: { $lt: 5 } });
  await path.follow();
  await expectEqual(path, false);
});

it('a range never ends between two bundles of one end', async () => {
  const path = await DataPath.begin(mongo.client);
  await path.orders.insertMany(Array.from({ length: 30 }, (_, _id) => ({ _id, n: 0 })));
  const [first] = await attempt(path, path.start);
  await path.orders.updateMany({}, { $inc: { n: 1 } });
  const middle = must(first).token;
  // The same end, from other beginnings.
  for (let times = 0; times < 3; times++) await attempt(path, times === 1 ? middle : path.start);
  await path.capture();
  const ends = new Map<string, number>();
  for (const { token } of await path.changes()) ends.set(token, (ends.get(token) ?? 0) + 1);
  expect([...ends.values()].some((count) => count > 60)).toBe(true);
  const upTo = tokenOf((await path.control.read()).capture.through);
  const { signal } = new AbortController();
  for (const events of [1, 20, 31, 75, MANY]) {
    let after: string | undefined;
    let seen = 0;
    for (let isLast = false; !isLast;) {
      const limits = { events, bytes: Infinity };
      const range = await readRange(path.target, path.name, after, upTo, limits, signal);
      const own = new Map<string, number>();
      for (const { bundle } of range.changes)
        own.set(bundle.token, (own.get(bundle.token) ?? 0) + 1);
      for (const [token, count] of own) expect(count).toBe(ends.get(token));
      seen += range.changes.length;
      after = range.end;
      isLast = range.last;
    }
    expect(seen).toBe([...ends.values()].reduce((sum, count) => sum + count, 0));
  }
  await path.replay();
  expect(await path.hashes()).toSatisfy(isEqual);
});

it('one document that the buffer does not take leaves the others of its bundle as they are', async () => {
  const path = await DataPath.begin(mongo.client);
  // As deep as a server stores it; within a bundle it is deeper.
  let deep: Record<string, unknown> = { end: 1 };
  for (let level = 0; level < 177; level++) deep = { a: deep };
  await path.orders.insertMany(Array.from({ length: 50 }, (_, _id) => ({ _id })));
  await path.orders.insertOne({ _id: 'deep', deep });
  await path.capture();
  const kinds = (await path.changes()).map(({ kind }) => kind);
  expect(kinds.toSorted()).toEqual(['r', ...Array.from({ length: 50 }, () => 'u')]);
  await path.replay();
  expect(await path.hashes()).toSatisfy(isEqual);
});

async function expectEqual(path: DataPath, inOrder: boolean): Promise<void> {
  const { source, target } = await path.sides();
  expect(target).toEqual(source);
  if (inOrder) expect([...target.keys()]).toEqual([...source.keys()]);
}

function isEqual({ source, target }: { source: string; target: string }): boolean {
  return source === target;
}
