import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../test/e2e/environment.js';
import type { BenchCase, Figures } from '../case.js';
import { startCpuClock } from '../cpu.js';
import { withWorker } from '../migration.js';
import { loadOrders, ordersOf } from '../documents.js';
import { percentile, Updates } from '../updates.js';

const NAME = 'orders';
/** Share of the documents that the limited comparison may read in a second. */
const LIMITED_SHARE = 1 / 40;
/** Nobody waits longer than this for a window to end. */
const REPLAYING = ['replaying', 'ready'];

/**
 * What the comparison costs beside writers: CPU of worker and servers, and the latency of single
 * updates, from the end of the copy until everything is compared. Without it, over as long a time.
 */
export const verification: BenchCase = {
  about: 'CPU of the comparison beside --rate single updates per second, and their latency',
  defaults: { documents: 1_000_000, rounds: 3, rate: 2_000 },
  quick: { documents: 5_000, rate: 100 },
  figure: 'cpuShare',
  prepare: async (environment, { documents, rate }) => {
    await loadOrders(environment.sourceClient, NAME, documents);
    let windowS = 0;
    const limit = Math.round(documents * LIMITED_SHARE);
    const measureFull = (options: object) => async (): Promise<Figures> => {
      const figures = await measure(environment, documents, rate, options);
      windowS = figures['windowS'] ?? 0;
      return figures;
    };
    return [
      { name: 'full', run: measureFull({}) },
      {
        name: 'none',
        run: () => measure(environment, documents, rate, { verify: 'none' }, windowS),
      },
      {
        name: `full, ${limit} documents/s`,
        run: () => measure(environment, documents, rate, { verifyDocumentsPerSecond: limit }),
      },
    ];
  },
};

async function measure(
  environment: Environment,
  documents: number,
  rate: number,
  options: object,
  windowS?: number,
): Promise<Figures> {
  const { source, target, temporal: _temporal } = environment;
  return withWorker(environment, 'dist/worker.js', async (worker) => {
    const handle = await environment.migrate(NAME, { copy: 'direct', ...options });
    await environment.until(handle, 'replaying', ({ phase }) => REPLAYING.includes(phase));
    const orders = ordersOf(environment.sourceClient, NAME);
    const updates = new Updates(orders, documents, rate);
    const used = startCpuClock({
      worker: worker.pid,
      source: source.members[0]?.pid,
      target: target.members[0]?.pid,
    });
    const begun = performance.now();
    if (windowS === undefined) {
      await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
    } else await sleep(windowS * 1000);
    const seconds = (performance.now() - begun) / 1000;
    const cpu = used();
    const { latencies, perSecond } = await updates.stop();
    await handle.executeUpdate('abort', { args: [{ dropTarget: true }] });
    await handle.result();
    const sum = Object.values(cpu).reduce((all, one) => all + one, 0);
    return {
      windowS: Math.round(seconds * 10) / 10,
      ...cpu,
      cpuShare: Math.round((sum / seconds) * 100) / 100,
      p50Ms: percentile(latencies, 50),
      p99Ms: percentile(latencies, 99),
      writesPerSecond: perSecond,
    };
  });
}
