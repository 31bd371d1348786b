import type { ReplicaSet } from '../../embedded/index.js';
import type { Environment } from '../../test/e2e/environment.js';
import { type BenchCase, type Figures, perSecond } from '../case.js';
import { round, startCpuClock } from '../cpu.js';
import { COPIED } from './copy.js';
import { loadOrders } from '../documents.js';
import { Link } from '../link.js';
import { withWorker } from '../migration.js';

const NAME = 'orders';
/** What a worker's network lets through, to each side: far below what the servers can do. */
const BYTES_PER_SECOND = 10_000_000;
/** Many small partitions, so that no worker is left with the last one. */
const OPTIONS = { copy: 'direct', verify: 'none', partitionBytes: 4 << 20, parallelPartitions: 8 };

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
        withWorkers(environment, count, [], (pids) => measure(environment, documents, pids)),
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
  await using source = await linkTo(environment.source);
  await using target = await linkTo(environment.target);
  const env = {
    MONGODB_URI_SOURCE: uriOf(source),
    MONGODB_URI_TARGET: uriOf(target),
    WORKER_HOST: `bench-${count}`,
  };
  return withWorker(
    environment,
    'dist/worker.js',
    ({ pid }) => withWorkers(environment, count - 1, [...pids, pid], work),
    env,
  );
}

async function measure(
  environment: Environment,
  documents: number,
  pids: readonly (number | undefined)[],
): Promise<Figures> {
  const used = startCpuClock(
    Object.fromEntries(pids.map((pid, index) => [`worker${index + 1}`, pid])),
  );
  const begun = performance.now();
  const handle = await environment.migrate(NAME, OPTIONS);
  await environment.until(handle, 'copied', ({ phase }) => COPIED.includes(phase));
  const seconds = (performance.now() - begun) / 1000;
  const cpu = used();
  await handle.executeUpdate('abort', { args: [{ dropTarget: true }] });
  await handle.result();
  return { copiedS: round(seconds), documentsPerSecond: perSecond(documents, seconds), ...cpu };
}

async function linkTo({ uri }: ReplicaSet): Promise<Link> {
  return Link.start(Number(new URL(uri).port), BYTES_PER_SECOND);
}

function uriOf({ port }: Link): string {
  return `mongodb://127.0.0.1:${port}/?directConnection=true`;
}
