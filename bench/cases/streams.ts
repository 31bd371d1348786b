import { setTimeout as sleep } from 'node:timers/promises';
import { readStartToken } from '../../src/mongo/change-stream.js';
import { readOperationTime } from '../../src/mongo/operation-time.js';
import { RawCursor } from '../../src/mongo/raw-cursor.js';
import { decodeToken, tokenTime } from '../../src/mongo/token.js';
import { changeStreamPipeline } from '../../src/mongo/change-event.js';
import type { Environment } from '../../test/e2e/environment.js';
import { type BenchCase, type Figures, perSecond } from '../case.js';
import { writeChanges } from '../changes.js';
import { startCpuClock, startOwnCpuClock } from '../cpu.js';
import { loadOrders, ordersOf } from '../documents.js';

const COUNTS = [1, 10, 30, 100] as const;
const DOCUMENTS = 1_000;
const BATCH_EVENTS = 10_000;
const AWAIT_MS = 1_000;
const SETTLE_MS = 1_000;

/** What change streams of many collections cost the source, beside one of their database. */
export const streams: BenchCase = {
  about: 'the same --documents changes followed by streams of 1 to 100 collections, or by one of the database',
  defaults: { documents: 100_000, rounds: 3, rate: 1 },
  quick: { documents: 2_000 },
  figure: 'eventsPerSecond',
  prepare: async (environment, { documents: changes }) => {
    const names = Array.from({ length: Math.max(...COUNTS) }, (_, index) => `orders${index}`);
    for (const name of names) await loadOrders(environment.sourceClient, name, DOCUMENTS);
    const database = {
      name: 'one of the database, changes in 100 collections',
      run: () => measure(environment, names, [undefined], changes),
    };
    return [
      database,
      ...COUNTS.map((count) => ({
        name: `${count}, changes in as many collections`,
        run: () => measure(environment, names.slice(0, count), names.slice(0, count), changes),
      })),
    ];
  },
}; // prettier-ignore

/** Writes while the streams are open, and waits until all of it has been seen. */
async function measure(
  environment: Environment,
  written: readonly string[],
  followed: readonly (string | undefined)[],
  changes: number,
): Promise<Figures> {
  const source = environment.sourceClient.db('shop');
  const start = await readStartToken(source, written[0] ?? '');
  const end: { until?: Awaited<ReturnType<typeof readOperationTime>> } = {};
  const follow = async (collection: string | undefined): Promise<number> => {
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
      if (!end.until || !resumeToken || documents.length > 0) continue;
      if (tokenTime(decodeToken(resumeToken)._data).greaterThanOrEqual(end.until)) return events;
    }
  };
  const following = followed.map(follow);
  await sleep(SETTLE_MS);
  const own = startOwnCpuClock();
  const used = startCpuClock({ source: environment.source.members[0]?.pid });
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
  const events = (await Promise.all(following)).reduce((sum, one) => sum + one, 0);
  const seconds = (performance.now() - begun) / 1000;
  return {
    events,
    writtenPerSecond: perSecond(changes, writtenS),
    eventsPerSecond: perSecond(events, seconds),
    ownCpuSPerMillion: own(events),
    ...used(),
  };
}
