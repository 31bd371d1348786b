import { setTimeout as sleep } from 'node:timers/promises';
import type { Db, Timestamp } from 'mongodb';
import { Buffered, createBuffer } from '../../src/mongo/buffer.js';
import { captureChanges } from '../../src/mongo/capture.js';
import { readStartToken } from '../../src/mongo/change-stream.js';
import { readOperationTime } from '../../src/mongo/operation-time.js';
import { RawCursor } from '../../src/mongo/raw-cursor.js';
import { SharedStream } from '../../src/mongo/shared-stream.js';
import { decodeToken, type ResumeToken, tokenTime } from '../../src/mongo/token.js';
import { changeStreamPipeline } from '../../src/mongo/change-event.js';
import type { Environment } from '../../test/e2e/environment.js';
import { type BenchCase, type Figures, perSecond } from '../case.js';
import { writeChanges } from '../changes.js';
import { startCpuClock, startOwnCpuClock } from '../cpu.js';
import { loadOrders, ordersOf } from '../documents.js';
import { serversOf } from '../rate.js';

const COUNTS = [1, 10, 30, 100] as const;
const DOCUMENTS = 1_000;
const BATCH_EVENTS = 10_000;
const AWAIT_MS = 1_000;
/** Long enough that those who share a stream do. */
const SETTLE_MS = 5_000;

/** What change streams of many collections cost the source, read alone and captured, beside one of their database. */
export const streams: BenchCase = {
  about: 'the same --documents changes followed by streams of 1 to 100 collections, or by one of the database, and captured so',
  defaults: { documents: 100_000, rounds: 3, rate: 1 },
  quick: { documents: 2_000 },
  figure: 'eventsPerSecond',
  prepare: async (environment, { documents: changes }) => {
    const names = Array.from({ length: Math.max(...COUNTS) }, (_, index) => `orders${index}`);
    for (const name of names) await loadOrders(environment.sourceClient, name, DOCUMENTS);
    const database = {
      name: 'one of the database, changes in 100 collections',
      run: () => measure(environment, names, readers([undefined]), changes),
    };
    return [
      database,
      ...COUNTS.map((count) => ({
        name: `${count}, changes in as many collections`,
        run: () =>
          measure(environment, names.slice(0, count), readers(names.slice(0, count)), changes),
      })),
      ...[true, false].map((isShared) => ({
        name: `${names.length}, captured from ${isShared ? 'one of the database' : 'one each'}`,
        run: () => measure(environment, names, captures(names, isShared), changes),
      })),
    ];
  },
}; // prettier-ignore

/** What follows the changes of some collections. */
interface Followed {
  readonly environment: Environment;
  readonly source: Db;
  readonly start: ResumeToken;
  /** How many there will be. */
  readonly changes: number;
  /** Everything has been written up to here, once it has. */
  readonly until: () => Timestamp | undefined;
}

/** @returns number of events that were seen. */
type Follow = (followed: Followed) => Promise<number>;

/** Reads the streams and does nothing with them. */
function readers(collections: readonly (string | undefined)[]): Follow {
  return async ({ source, start, until }) => {
    const read = async (collection: string | undefined): Promise<number> => {
      const time = tokenTime(start._data);
      await using cursor = await RawCursor.open(
        source,
        {
          aggregate: collection ?? 1,
          pipeline: changeStreamPipeline({ startAtOperationTime: time }),
          cursor: { batchSize: 0 },
        },
        { maxAwaitMs: AWAIT_MS, batchSize: BATCH_EVENTS },
      );
      let events = 0;
      for (;;) {
        const { documents, resumeToken } = await cursor.next();
        events += documents.length;
        const end = until();
        if (!end || !resumeToken || documents.length > 0) continue;
        if (tokenTime(decodeToken(resumeToken)._data).greaterThanOrEqual(end)) return events;
      }
    };
    const counts = await Promise.all(collections.map(read));
    return counts.reduce((sum, one) => sum + one, 0);
  };
}

/** Captures the changes into buffers. */
function captures(collections: readonly string[], isShared: boolean): Follow {
  return async ({ environment, source, start, changes }) => {
    const target = environment.targetClient.db('captured');
    const shared = isShared ? new SharedStream(source) : undefined;
    const ending = new AbortController();
    let events = 0;
    const capture = async (collection: string): Promise<void> => {
      const buffer = await Buffered.open(
        target,
        collection,
        await createBuffer(target, collection),
      );
      await captureChanges({
        source,
        collection,
        buffer,
        start,
        shared,
        natural: false,
        maxAwaitMs: AWAIT_MS,
        signal: ending.signal,
        onCommit: async (commit) => {
          events += commit.events;
          if (events >= changes) ending.abort();
        },
      }).catch((error: unknown) => {
        if (!ending.signal.aborted) throw error;
      });
    };
    await Promise.all(collections.map(capture));
    await target.dropDatabase();
    return events;
  };
}

/** Writes while the streams are open, and waits until all of it has been seen. */
async function measure(
  environment: Environment,
  written: readonly string[],
  follow: Follow,
  changes: number,
): Promise<Figures> {
  const source = environment.sourceClient.db('shop');
  const start = await readStartToken(source, written[0] ?? '');
  const end: { until?: Timestamp } = {};
  const following = follow({ environment, source, start, changes, until: () => end.until });
  await sleep(SETTLE_MS);
  const own = startOwnCpuClock();
  const { source: sourcePid, target: targetPid } = serversOf(environment);
  const used = startCpuClock({ source: sourcePid, target: targetPid });
  const begun = performance.now();
  for (const name of written) {
    await writeChanges(ordersOf(environment.sourceClient, name), {
      kind: 'spread',
      count: changes / written.length,
      documents: DOCUMENTS,
      bytes: 500,
    });
  }
  const writtenS = (performance.now() - begun) / 1000;
  end.until = await readOperationTime(source);
  const events = await following;
  const seconds = (performance.now() - begun) / 1000;
  return {
    events,
    writtenPerSecond: perSecond(changes, writtenS),
    eventsPerSecond: perSecond(events, seconds),
    ownCpuSPerMillion: own(events),
    ...used(),
  };
}
