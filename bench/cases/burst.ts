import type { BenchCase } from '../case.js';
import { perSecond } from '../case.js';
import { writeChanges } from '../changes.js';
import { round } from '../cpu.js';
import { loadOrders, ordersOf } from '../documents.js';
import { withWorker } from '../migration.js';

const NAME = 'orders';
const SHARE = 0.4;
/** Seconds of lag that are no reason to refuse. */
const MAX_LAG_S = 3_600;

/** A cutover that is sent at once after a burst of writes: all of them have to be there. */
export const burst: BenchCase = {
  about: 'cutover at once after a burst of mixed changes, until the target is open, and equal',
  defaults: { documents: 500_000, rounds: 3, rate: 1 },
  quick: { documents: 5_000 },
  figure: 'changesPerSecond',
  prepare: async (environment, { documents }) => {
    await loadOrders(environment.sourceClient, NAME, documents);
    const count = Math.round(documents * SHARE);
    return [
      {
        name: 'direct',
        run: () =>
          withWorker(environment, 'dist/worker.js', async () => {
            const handle = await environment.migrate(NAME, { copy: 'direct', maxLagSeconds: MAX_LAG_S });
            await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
            const changes = { kind: 'mixed', count, documents, bytes: 500 } as const;
            const begun = performance.now();
            await writeChanges(ordersOf(environment.sourceClient, NAME), changes);
            const writtenAt = performance.now();
            await handle.executeUpdate('cutover', { args: [{ force: ['lag'] }] });
            const openedAt = performance.now();
            const [one, other] = await environment.hashes(NAME);
            if (one !== other) throw new Error('the two sides are not equal');
            const result = (await handle.result()) as { cutover?: { downtimeMs?: number } };
            return {
              writtenPerSecond: perSecond(count, (writtenAt - begun) / 1000),
              openS: round((openedAt - writtenAt) / 1000),
              downtimeMs: result.cutover?.downtimeMs ?? Number.NaN,
              changesPerSecond: perSecond(count, (openedAt - begun) / 1000),
            };
          }),
      },
    ];
  },
}; // prettier-ignore
