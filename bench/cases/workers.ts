import type { Environment } from '../../test/e2e/environment.js';
import type { BenchCase, Figures } from '../case.js';
import { loadOrders } from '../documents.js';
import { Links } from '../link.js';
import { measureCopy, withWorker } from '../migration.js';

const NAME = 'orders';
/** What a worker's network lets through, to each side: far below what the servers can do. */
const BYTES_PER_SECOND = 10_000_000;
/** Many small partitions, so that no worker is left with the last one. */
const OPTIONS = { copy: 'direct', partitionBytes: 4 << 20, parallelPartitions: 8 };

/** The copy of one collection by one worker and by two, each with a network of its own that is the limit. */
export const workers: BenchCase = {
  about: 'direct copy by two workers beside one, each behind a link of 10 MB/s of its own',
  defaults: { documents: 400_000, rounds: 3, rate: 1 },
  quick: { documents: 5_000 },
  figure: 'documentsPerSecond',
  prepare: async (environment, { documents }) => {
    await loadOrders(environment.sourceClient, NAME, documents);
    return [1, 2].map((count) => ({
      name: count === 1 ? 'one worker' : 'two workers',
      run: () =>
        withWorkers(environment, count, [], (pids) =>
          measureCopy(environment, NAME, documents, OPTIONS, named(pids)),
        ),
    }));
  },
};

/** Starts so many workers, each as a host of its own. */
async function withWorkers(
  environment: Environment,
  count: number,
  pids: readonly (number | undefined)[],
  work: (pids: readonly (number | undefined)[]) => Promise<Figures>,
): Promise<Figures> {
  if (count === 0) return work(pids);
  await using links = await Links.start(environment, BYTES_PER_SECOND);
  const env = { ...links.env(), WORKER_HOST: `bench-${count}` };
  return await withWorker(
    environment,
    'dist/worker.js',
    ({ pid }) => withWorkers(environment, count - 1, [...pids, pid], work),
    { env },
  );
}

const named = (pids: readonly (number | undefined)[]) =>
  Object.fromEntries(pids.map((pid, index) => [`worker${index + 1}`, pid]));
