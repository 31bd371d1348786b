import { readStartToken } from '../../src/mongo/change-stream.js';
import { readOperationTime } from '../../src/mongo/operation-time.js';
import type { Environment } from '../../test/e2e/environment.js';
import { DataPath } from '../../test/helpers/data-path.js';
import type { BenchCase, Variant } from '../case.js';
import { writeChanges } from '../changes.js';
import { loadOrders, ordersOf } from '../documents.js';
import { measureRate, serversOf } from '../rate.js';
import { captureDecoded, readRaw, type Stretch } from '../stream.js';

const NAME = 'orders';
/** Changes for each document. */
const SHARE = 0.4;

/** Events per second into the buffer, beside what reading the stream alone takes. */
export const capture: BenchCase = {
  about:
    'updates of 500-byte documents into the buffer, beside reading the stream and doing nothing',
  defaults: { documents: 500_000, rounds: 5, rate: 1 },
  quick: { documents: 5_000 },
  figure: 'eventsPerSecond',
  prepare: async (environment, { documents }) => captureVariants(environment, documents, ''),
};

/**
 * What is measured of one size.
 * @param isFresh whether each run has changes of its own: a stream reads on to the end of the oplog, whatever else was
 * written since
 */
export async function captureVariants(
  environment: Environment,
  documents: number,
  label: string,
  isFresh = false,
): Promise<Variant[]> {
  const { sourceClient, targetClient } = environment;
  const name = `${NAME}${documents}`;
  const source = sourceClient.db('shop');
  const target = targetClient.db('captured');
  await loadOrders(sourceClient, name, documents);
  const count = Math.round(documents * SHARE);
  const write = async (): Promise<Stretch> => {
    const start = await readStartToken(source, name);
    const changes = { kind: 'spread', count, documents, bytes: 500 } as const;
    await writeChanges(ordersOf(sourceClient, name), changes);
    const until = await readOperationTime(source);
    return { source, collection: name, start, until: () => until };
  };
  const written = isFresh ? undefined : await write();
  const servers = serversOf(environment);
  const measured = (read: (stretch: Stretch) => Promise<number>) => async () => {
    const stretch = written ?? (await write());
    return measureRate('events', servers, async () => {
      const events = await read(stretch);
      if (events !== count) throw new Error(`${events} events in place of ${count}`);
      return events;
    });
  };
  return [
    {
      name: `${label}raw read with updateLookup`,
      run: measured((stretch) => readRaw(stretch, { fullDocument: 'updateLookup' })),
    },
    { name: `${label}raw read`, run: measured((stretch) => readRaw(stretch)) },
    {
      name: `${label}capture`,
      run: async () => {
        const path = await DataPath.between(source, target, name);
        const figures = await measured(async ({ start }) => {
          const commits = await path.capture(start);
          return commits.reduce((sum, { events }) => sum + events, 0);
        })();
        await target.dropDatabase();
        return figures;
      },
    },
    {
      name: `${label}decoded, with updateLookup`,
      run: measured((stretch) => captureDecoded(stretch, target)),
    },
  ];
}
