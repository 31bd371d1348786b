import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../test/e2e/environment.js';
import type { BenchCase, Figures } from '../case.js';
import { loadOrders, ordersOf } from '../documents.js';
import { withWorker } from '../migration.js';
import { percentile } from '../updates.js';

const NAME = 'orders';
const WRITES = 300;
/** Between two writes, in ms: each arrives alone. */
const REST_MS = 50;

/** From a write's acknowledgement at the source until it can be read at the target, when little else happens. */
export const arrival: BenchCase = {
  about: `time of ${WRITES} single updates until each can be read at the target, at rest`,
  defaults: { documents: 10_000, rounds: 3, rate: 1 },
  quick: { documents: 1_000 },
  figure: 'p50Ms',
  prepare: async (environment, { documents }) => {
    await loadOrders(environment.sourceClient, NAME, documents);
    return [
      {
        name: 'direct',
        run: () =>
          withWorker(environment, 'dist/worker.js', async () => {
            const handle = await environment.migrate(NAME, { copy: 'direct' });
            await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
            return measure(environment, documents);
          }),
      },
    ];
  },
};

async function measure(environment: Environment, documents: number): Promise<Figures> {
  const [source, target] = [environment.sourceClient, environment.targetClient].map((client) =>
    ordersOf(client, NAME),
  );
  const times: number[] = [];
  for (let index = 0; index < WRITES; index++) {
    const _id = (index * 7919) % documents;
    const mark = Math.random();
    await source?.updateOne({ _id }, { $set: { mark } });
    const writtenAt = performance.now();
    while ((await target?.findOne({ _id }))?.['mark'] !== mark) await turn();
    times.push(performance.now() - writtenAt);
    await sleep(REST_MS);
  }
  const sorted = times.toSorted((one, other) => one - other);
  return { p50Ms: percentile(sorted, 50), p99Ms: percentile(sorted, 99) };
}
