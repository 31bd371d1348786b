import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationStatus } from '../../src/workflows/status.js';
import type { Environment } from '../../test/e2e/environment.js';
import type { BenchCase, Figures } from '../case.js';
import { withWorker } from '../migration.js';
import { loadOrders, ordersOf } from '../documents.js';
import { percentile, Updates } from '../updates.js';

const NAME = 'orders';
/** Share of the documents that the limited copy may read in a second. */
const LIMITED_SHARE = 1 / 40;
/** What applications are measured for alone. */
const ALONE_MS = 20_000;

/** What a copy from server to server costs the source's applications, with and without a limit. */
export const copyLimit: BenchCase = {
  about: 'latency of single updates beside a direct copy, with a limit and without',
  defaults: { documents: 400_000, rounds: 3, rate: 500 },
  quick: { documents: 4_000, rate: 100 },
  figure: 'p99Ms',
  prepare: async (environment, { documents, rate }) => {
    await loadOrders(environment.sourceClient, NAME, documents);
    const limit = Math.round(documents * LIMITED_SHARE);
    const begin = () => new Updates(ordersOf(environment.sourceClient, NAME), documents, rate);
    return [
      {
        name: 'no migration',
        run: async () => {
          const updates = begin();
          await sleep(ALONE_MS);
          return latenciesOf(updates);
        },
      },
      { name: 'no limit', run: () => measure(environment, begin, {}) },
      {
        name: `${limit} documents/s`,
        run: () => measure(environment, begin, { copyDocumentsPerSecond: limit }),
      },
    ];
  },
};

async function measure(
  environment: Environment,
  begin: () => Updates,
  options: object,
): Promise<Figures> {
  return withWorker(environment, 'dist/worker.js', async () => {
    const handle = await environment.migrate(NAME, { copy: 'direct', verify: 'none', ...options });
    const isReading = ({ copied }: MigrationStatus) => copied.documents > 0;
    await environment.until(handle, 'copying', isReading);
    const updates = begin();
    const begun = performance.now();
    await environment.until(handle, 'indexes', ({ copiedPercent }) => copiedPercent === 100);
    const copyS = Math.round((performance.now() - begun) / 100) / 10;
    const figures = await latenciesOf(updates);
    await handle.executeUpdate('abort', { args: [{ dropTarget: true }] });
    await handle.result();
    return { copyS, ...figures };
  });
}

async function latenciesOf(updates: Updates): Promise<Figures> {
  const { latencies, perSecond } = await updates.stop();
  return {
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    writesPerSecond: perSecond,
  };
}
