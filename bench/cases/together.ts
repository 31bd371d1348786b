import { setTimeout as sleep } from 'node:timers/promises';
import type { Timestamp } from 'mongodb';
import { readStartToken } from '../../src/mongo/change-stream.js';
import { readOperationTime } from '../../src/mongo/operation-time.js';
import type { Environment } from '../../test/e2e/environment.js';
import { DataPath } from '../../test/helpers/data-path.js';
import type { BenchCase, Figures } from '../case.js';
import { writeChanges } from '../changes.js';
import { copyAcross } from '../copy.js';
import { loadOrders, ordersOf } from '../documents.js';
import { measureRate, serversOf } from '../rate.js';
import { readRaw } from '../stream.js';

const NAME = 'orders';
const SHARE = 0.4;
const LIVE = 'raw read, writers at full speed';
/** Between two looks of the replay at what is captured, in ms. */
const LOOK_MS = 5;

/** Follows what is written until `until` says where it ends. @returns events */
type Follow = (until: () => Timestamp | undefined) => Promise<number>;

/** Capture and replay at the same time, beside reading the stream alone. */
export const together: BenchCase = {
  about: 'capture and replay together, mixed changes, writers stopped and at full speed',
  defaults: { documents: 500_000, rounds: 3, rate: 1 },
  quick: { documents: 5_000 },
  figure: 'eventsPerSecond',
  prepare: async (environment, { documents }) => {
    const source = environment.sourceClient.db('shop');
    const target = environment.targetClient.db('shop');
    await loadOrders(environment.sourceClient, NAME, documents);
    await target.createCollection(NAME);
    const path = await DataPath.between(source, target, NAME);
    await copyAcross(source, target, NAME);

    const read = async (isLive: boolean): Promise<Figures> => {
      const start = await readStartToken(source, NAME);
      const figures = await measure(environment, documents, isLive, (until) =>
        readRaw({ source, collection: NAME, start, until }),
      );
      await path.follow();
      return figures;
    };
    const follow = async (isLive: boolean): Promise<Figures> => {
      const figures = await measure(environment, documents, isLive, (until) =>
        followBoth(path, until),
      );
      const [one, other] = await environment.hashes(NAME);
      if (one !== other) throw new Error('the two sides are not equal');
      await path.buffer.deleteMany({});
      return figures;
    };
    return [
      { name: 'raw read, writers stopped', run: () => read(false) },
      { name: 'capture and replay, writers stopped', run: () => follow(false) },
      { name: LIVE, against: LIVE, run: () => read(true) },
      { name: 'capture and replay, writers at full speed', against: LIVE, run: () => follow(true) },
    ];
  },
};

/** Writes, and follows what is written: after it, or at the same time. */
async function measure(
  environment: Environment,
  documents: number,
  isLive: boolean,
  follow: Follow,
): Promise<Figures> {
  const orders = ordersOf(environment.sourceClient, NAME);
  const count = Math.round(documents * SHARE);
  let until: Timestamp | undefined;
  const write = async (): Promise<void> => {
    await writeChanges(orders, { kind: 'mixed', count, documents, bytes: 500 });
    until = await readOperationTime(orders.db);
  };
  const writing = write();
  if (!isLive) await writing;
  // Of live ones the writers' share is in the CPU of this process.
  return measureRate('events', serversOf(environment), async () => {
    const [events] = await Promise.all([follow(() => until), writing]);
    return events;
  });
}

async function followBoth(path: DataPath, until: () => Timestamp | undefined): Promise<number> {
  const before = await path.control.read();
  const end = new AbortController();
  const capturing = path.capture(undefined, end.signal).catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
  const replaying = async (): Promise<number> => {
    for (;;) {
      await path.replay();
      const { capture, replay } = await path.control.read();
      const reached = until();
      if (reached && replay.time?.greaterThanOrEqual(reached)) {
        end.abort();
        return capture.events - before.capture.events;
      }
      await sleep(LOOK_MS);
    }
  };
  const [events] = await Promise.all([replaying(), capturing]);
  return events;
}
