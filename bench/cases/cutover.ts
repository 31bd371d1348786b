import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchCase, workersOf } from '../case.js';
import { measureCutover, withWorker } from '../migration.js';
import { loadOrders, ordersOf } from '../documents.js';
import { Updates } from '../updates.js';

/** How long the writers write beside a migration that is ready, in ms. */
const SETTLE_MS = 5_000;

/** Downtime of a cutover while applications write: at a rate, and as fast as the source takes it. */
export const cutover: BenchCase = {
  about: 'downtime of a cutover beside writers, at --rate and at full speed',
  defaults: { documents: 100_000, rounds: 5, rate: 2_000 },
  quick: { documents: 2_000, rate: 200 },
  figure: 'downtimeMs',
  prepare: async (environment, options) => {
    const name = 'orders';
    const { documents, rate } = options;
    await loadOrders(environment.sourceClient, name, documents);
    const speeds = [rate, 'full'] as const;
    return speeds.flatMap((speed) =>
      workersOf(options).map(({ label, program }) => ({
        name: `${label}${speed} writes/s`,
        run: () =>
          withWorker(environment, program, async () => {
            const handle = await environment.migrate(name, { copy: 'direct', maxLagSeconds: 60 });
            await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
            const orders = ordersOf(environment.sourceClient, name);
            const updates = new Updates(orders, documents, speed);
            await sleep(SETTLE_MS);
            return measureCutover(environment, handle, updates);
          }),
      })),
    );
  },
};
