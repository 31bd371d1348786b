import { type ClientSession, Int32, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteExactly, writeExactly } from '../../../src/mongo/exact-write.js';
import { applyRange } from '../../../src/mongo/replay.js';
import { readRange } from '../../../src/mongo/range.js';
import { replayRanges } from '../../../src/mongo/replay-loop.js';
import { replayComment, takeOverReplay } from '../../../src/mongo/takeover.js';
import { rawOf } from '../../helpers/bson.js';
import { AS_IT_IS, DataPath, must, readRaw, TestMongo, tokenOf } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;

beforeAll(async () => {
  mongo = await TestMongo.start('fence');
  client = mongo.client;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const { signal } = new AbortController();

/** An attempt of replay that has the epoch, with everything captured as one range. */
async function attempt(path: DataPath, session: ClientSession) {
  const taken = must(await path.control.takeEpoch('replay'));
  const { capture } = await path.control.read();
  const upTo = tokenOf(capture.through);
  const limits = { events: 1000, bytes: Infinity };
  const range = await readRange(path.target, path.name, undefined, upTo, limits, signal);
  return { target: { ...path.replayTarget(taken), session }, range, start: taken.replay };
}

/** A path with one change of each kind captured and nothing applied. */
async function captured(): Promise<DataPath> {
  const path = await DataPath.begin(client);
  await path.orders.insertMany([{ _id: 1 }, { _id: null }, { _id: 3 }], AS_IT_IS);
  await path.orders.deleteOne({ _id: 3 });
  await path.copy.insertOne({ _id: 3 });
  await path.capture();
  return path;
}

describe('an attempt with an old epoch', () => {
  it('changes nothing with any of its writes', async () => {
    const path = await captured();
    await using session = client.startSession({ causalConsistency: false });
    const { target, range } = await attempt(path, session);
    const before = await readRaw(path.target, path.name);
    await path.control.takeEpoch('replay');
    await expect(applyRange(target, range)).rejects.toMatchObject({ type: 'Fenced' });
    const id = rawOf(new Int32(9));
    const document = must((await readRaw(path.source, path.name))[0]);
    await expect(writeExactly(target, [{ id, document }])).rejects.toMatchObject({
      type: 'Fenced',
    });
    await expect(deleteExactly(target, [rawOf(3)])).rejects.toMatchObject({ type: 'Fenced' });
    // By $merge alone: there is nothing to look up, so that it writes nothing.
    expect(new Set(range.changes.map(({ code }) => code))).toEqual(new Set(['u', 'x', 'd']));
    const merges = range.changes.filter(({ code }) => code === 'u');
    expect(merges.length).toBeGreaterThan(0);
    await applyRange(target, { ...range, changes: merges });
    expect(await readRaw(path.target, path.name)).toEqual(before);
  });

  it('writes all of it while the epoch is its own', async () => {
    const path = await captured();
    await using session = client.startSession({ causalConsistency: false });
    const { target, range } = await attempt(path, session);
    await applyRange(target, range);
    expect(await path.hashes()).toSatisfy(
      (hashes: { source: string; target: string }) => hashes.source === hashes.target,
    );
  });

  it('stops its loop, and its late record of progress is refused', async () => {
    const path = await captured();
    await using session = client.startSession({ causalConsistency: false });
    const { target, start } = await attempt(path, session);
    const loop = replayRanges({
      ...target,
      start,
      idle: async () => {
        await path.control.takeEpoch('replay');
      },
      onProgress: () => undefined,
    });
    await expect(loop).rejects.toMatchObject({ type: 'Fenced' });
    const late = path.control.advance('replay', target.epoch, { through: 'FF' });
    await expect(late).rejects.toMatchObject({ type: 'Fenced' });
    expect((await path.control.read()).replay.through).not.toBe('FF');
  });

  it('cannot move captured-through either', async () => {
    const path = await captured();
    const old = must(await path.control.takeEpoch('capture')).capture.epoch;
    await path.control.takeEpoch('capture');
    const before = (await path.control.read()).capture;
    await expect(
      path.control.advance('capture', old, { through: path.start }),
    ).rejects.toMatchObject({ type: 'Fenced' });
    expect((await path.control.read()).capture).toEqual(before);
  });
});

describe('an attempt whose transaction takes long', () => {
  it('keeps neither capture nor anyone else from recording where they are', async () => {
    const path = await captured();
    await using session = client.startSession({ causalConsistency: false });
    const { target } = await attempt(path, session);
    const { capture } = must(await path.control.takeEpoch('capture'));
    session.startTransaction({ writeConcern: { w: 'majority' } });
    await path.control.fenceReplay(target.epoch, session);
    await path.copy.insertOne({ _id: 99 }, { session });
    // Until the commit each of these would wait for it, and this test for ever.
    await path.control.advance('capture', capture.epoch, { rate: 7 });
    await path.control.advance('replay', target.epoch, { rate: 8 });
    await session.commitTransaction();
    const { capture: after, replay } = await path.control.read();
    expect([after.rate, replay.rate]).toEqual([7, 8]);
  });
});

describe('taking over', () => {
  it('ends a transaction that a predecessor has left open, and it writes nothing', async () => {
    const path = await captured();
    await using predecessor = client.startSession({ causalConsistency: false });
    const { target } = await attempt(path, predecessor);
    await path.control.advance('replay', target.epoch, { session: must(predecessor.id) });
    predecessor.startTransaction({ writeConcern: { w: 'majority' } });
    await path.control.fenceReplay(target.epoch, predecessor);
    await path.copy.insertOne({ _id: 99 }, { session: predecessor });

    await using session = client.startSession({ causalConsistency: false });
    const take = () => path.control.takeEpoch('replay');
    const taken = must(await takeOverReplay(path.control, session, take));
    expect(taken.replay.epoch).toBe(target.epoch + 1);
    await expect(predecessor.commitTransaction()).rejects.toThrow();
    expect(await path.copy.findOne({ _id: 99 })).toBeNull();
    const { replay } = await path.control.read();
    expect(must(replay.session)['id']).toEqual(must(session.id)['id']);
  });

  it('kills what a predecessor still has running in the server, and nothing else', async () => {
    const path = await captured();
    const { runId } = path.control;
    // A command as long as a large $merge, recognised by its comment.
    const running = (comment: string) =>
      path.source
        .collection('numbers')
        .find({ $where: 'sleep(50); return false;' }, { comment })
        .toArray();
    await path.source.collection('numbers').deleteMany({});
    await path.source.collection('numbers').insertMany(Array.from({ length: 600 }, () => ({})));
    const merge = running(replayComment(runId, 7));
    const ended = merge.then(
      () => 'finished',
      (error: { code?: number }) => error.code,
    );
    const other = running(replayComment('another-run', 7));
    const otherEnded = other.then(
      () => 'finished',
      (error: { code?: number }) => error.code,
    );
    await untilRunning(replayComment(runId, 7));
    await untilRunning(replayComment('another-run', 7));

    await using session = client.startSession({ causalConsistency: false });
    await takeOverReplay(path.control, session, () => path.control.takeEpoch('replay'));
    expect(await ended).toBe(11601);
    expect(await commandsWith(replayComment('another-run', 7))).toHaveLength(1);
    for (const { opid } of await commandsWith(replayComment('another-run', 7))) {
      await client.db('admin').command({ killOp: 1, op: opid });
    }
    expect(await otherEnded).toBe(11601);
  });

  it('takes nothing while the cutover holds the migration', async () => {
    const path = await captured();
    const { replay } = must(await path.control.hold(new Date()));
    await using session = client.startSession({ causalConsistency: false });
    const take = () => path.control.takeEpoch('replay');
    expect(await takeOverReplay(path.control, session, take)).toBeUndefined();
    await path.control.release(replay.epoch);
    expect(await takeOverReplay(path.control, session, take)).toBeDefined();
  });
});

async function commandsWith(comment: string): Promise<{ opid: unknown }[]> {
  const pipeline = [{ $currentOp: {} }, { $match: { 'command.comment': comment } }];
  return client.db('admin').aggregate<{ opid: unknown }>(pipeline).toArray();
}

async function untilRunning(comment: string): Promise<void> {
  while ((await commandsWith(comment)).length === 0);
}
