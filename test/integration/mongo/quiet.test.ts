import { Int32, MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { readByIds } from '../../../src/mongo/compare.js';
import type { ControlDocument } from '../../../src/mongo/control-document.js';
import { comparedAsOf } from '../../../src/mongo/lag.js';
import { recentClusterTime } from '../../../src/mongo/operation-time.js';
import { Verification } from '../../../src/mongo/verification.js';
import { Verifier } from '../../../src/mongo/verifier.js';
import { bufferName } from '../../../src/names.js';
import { rawOf } from '../../helpers/bson.js';
import { DataPath, TestMongo } from '../../helpers/data-path.js';

/** What is asked of the servers where little or nothing changes. */

let mongo: TestMongo;
let watched: MongoClient;
let path: DataPath;
/** Commands by what they are: `find orders1`. */
let asked: string[];

beforeAll(async () => {
  mongo = await TestMongo.start('quiet');
  watched = new MongoClient(mongo.server.uri, { monitorCommands: true });
  watched.on('commandStarted', ({ commandName, command }) => {
    const { collection, filter, maxTimeMS } = command;
    // A stream waits for what comes; all other cursors have the rest of what is there.
    const isRest = commandName === 'getMore' && maxTimeMS === undefined;
    const what = isRest ? ' for the rest' : filter?._id?.$lt ? ' for changes' : '';
    asked.push(`${commandName} ${String(collection ?? command[commandName])}${what}`);
  });
});

beforeEach(async () => {
  asked = [];
  path = await DataPath.begin(watched);
});

afterEach(() => {
  vi.restoreAllMocks();
});

afterAll(async () => {
  await watched?.close();
  await mongo?.[Symbol.asyncDispose]();
});

/** Commands that read changes from the buffer. */
function buffersRead(): number {
  return asked.filter((text) => text === `find ${bufferName(path.name)} for changes`).length;
}

/** Something changes elsewhere, so that the position moves alone. */
async function moveOn(): Promise<ControlDocument> {
  await path.source.collection('elsewhere').insertOne({});
  await path.capture();
  return path.control.read();
}

it.each([1, 200, 1_500])('%i documents are read by one request', async (count) => {
  await path.orders.insertMany(Array.from({ length: count }, (_, n) => ({ _id: new Int32(n) })));
  const ids = Array.from({ length: count }, (_, n) => rawOf(new Int32(n)));
  asked = [];
  const { signal } = new AbortController();
  const found = await readByIds({ db: path.source, collection: path.name }, ids, signal);
  expect(found.size).toBe(count);
  expect(asked).toEqual([`find ${path.name}`]);
});

it.each([undefined, {}])('changes are read back by one request, with limits %j', async (limits) => {
  await path.orders.insertMany([1, 2, 3].map((n) => ({ _id: new Int32(n) })));
  asked = [];
  await path.capture(undefined, undefined, limits);
  expect(asked.filter((text) => text === `find ${path.name}`)).toHaveLength(1);
  expect(asked.filter((text) => text.endsWith('for the rest'))).toEqual([]);
  expect(await path.changes()).toHaveLength(3);
});

it('the replay reads the buffer only when something was put there, and keeps up its position', async () => {
  await path.orders.insertOne({ _id: new Int32(1) });
  await path.capture();
  asked = [];
  const read: number[] = [];
  const through: (string | undefined)[] = [];
  const later = performance.now() + 60_000;
  const steps: (() => Promise<ControlDocument>)[] = [
    moveOn,
    moveOn,
    async () => {
      vi.spyOn(performance, 'now').mockReturnValue(later);
      return moveOn();
    },
    async () => {
      await path.orders.insertOne({ _id: new Int32(2) });
      return moveOn();
    },
  ];
  const replaying = path.replay(undefined, async () => {
    read.push(buffersRead());
    through.push((await path.control.read()).replay.through);
    const step = steps.shift();
    if (!step) throw new Error('all steps are done');
    return step();
  });
  await expect(replaying).rejects.toThrow('all steps are done');
  expect(read).toEqual([1, 1, 1, 1, 2]);
  // Once they are old, and once there was a change.
  expect(new Set(through).size).toBe(3);
  const { capture, replay } = await path.control.read();
  expect(replay.through).toBe(capture.through?._data);
  const { source, target } = await path.sides();
  expect(target).toEqual(source);
});

it('all who want to know what time it is at the source ask once in a while', async () => {
  asked = [];
  const times = await Promise.all([1, 2, 3].map(() => recentClusterTime(path.source, 60_000)));
  expect(asked).toEqual(['ping 1']);
  await path.source.collection('elsewhere').insertOne({});
  expect(await recentClusterTime(path.source, 60_000)).toBe(times[0]);
  const now = await recentClusterTime(path.source, 0);
  expect(times[0]?.lessThan(now)).toBe(true);
});

it('the comparison reads the buffer only when something was applied', async () => {
  const { verify } = await path.control.beginVerification();
  const verifier = new Verifier({
    source: { db: path.source, collection: path.name },
    target: { db: path.target, collection: path.name },
    control: path.control,
    plan: { get: () => Promise.reject(new Error('nobody compares partitions here')) },
    verification: new Verification(path.target, path.control),
    epoch: verify?.epoch ?? 0,
    signal: new AbortController().signal,
    touch: () => undefined,
  });
  await path.orders.insertOne({ _id: new Int32(1) });
  await path.follow();
  expect(await verifier.follow()).toBe(1);
  await moveOn();
  await path.replay();
  asked = [];
  expect(await verifier.follow()).toBe(0);
  expect(buffersRead()).toBe(0);
  const document = await path.control.read();
  expect(document.verify?.through).toBe(document.replay.through);
  expect(verifier.hasFollowedAll).toBe(true);

  // The position has moved again, and all that was applied is compared all the same.
  await moveOn();
  await path.replay();
  const moved = await path.control.read();
  expect(comparedAsOf(moved)).toEqual(moved.replay.asOf);

  // Only from the first change on that was applied since.
  await path.control.advance('verify', verify?.epoch ?? 0, { asOf: new Date(0) });
  const written = Date.now();
  for (const id of [2, 3]) {
    await path.orders.insertOne({ _id: new Int32(id) });
    await path.follow();
    const from = comparedAsOf(await path.control.read())?.getTime() ?? 0;
    expect(Math.abs(from - written)).toBeLessThan(5_000);
  }
  const { replay } = await path.control.read();
  expect(comparedAsOf(await path.control.read())).toEqual(replay.uncomparedFrom);
  expect(await verifier.follow()).toBe(2);
});
