import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../src/in-parallel.js';
import type { Environment } from '../../test/e2e/environment.js';
import type { BenchCase, BenchOptions, Figures } from '../case.js';
import { peakMb, round, startCpuClock } from '../cpu.js';
import { loadOrders } from '../documents.js';
import { withWorker } from '../migration.js';
import { profiling } from '../profile.js';

const DOCUMENTS = 100;
/** After the last one is ready, and while it is measured, in ms. */
const SETTLE_MS = 80_000;
const WINDOW_MS = 60_000;
const STARTS = 4;

/** What migrations cost that wait for their cutover, while nobody writes. */
export const idle: BenchCase = {
  about: "the worker's memory and CPU with --documents idle migrations, beside one",
  defaults: { documents: 200, rounds: 1, rate: 1 },
  quick: { documents: 5 },
  figure: 'workerPercentOfCore',
  prepare: async (environment, options) => {
    const migrations = options.documents;
    const names = Array.from({ length: migrations }, (_, index) => `orders${index}`);
    for (const name of names) await loadOrders(environment.sourceClient, name, DOCUMENTS);
    return [
      { name: '1 migration', run: () => measure(environment, names.slice(0, 1), options) },
      { name: `${migrations} migrations`, run: () => measure(environment, names, options) },
    ];
  },
};

async function measure(
  environment: Environment,
  names: readonly string[],
  options: BenchOptions,
): Promise<Figures> {
  const run = async ({ pid }: { readonly pid: number | undefined }): Promise<Figures> => {
    const begun = performance.now();
    const handles = await inParallel(names, STARTS, async (name) => {
      const handle = await environment.migrate(name, { copy: 'direct' });
      await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      return handle;
    });
    const readyS = round((performance.now() - begun) / 1000);
    const isShort = names.length < 10;
    await sleep(isShort ? SETTLE_MS / 10 : SETTLE_MS);
    const used = startCpuClock({
      worker: pid,
      source: environment.source.members[0]?.pid,
      target: environment.target.members[0]?.pid,
    });
    const windowMs = isShort ? WINDOW_MS / 10 : WINDOW_MS;
    await sleep(windowMs);
    const shares = Object.entries(used()).map(([name, seconds]): [string, number] => [
      `${name.replace('CpuS', '')}PercentOfCore`,
      round((seconds * 100_000) / windowMs),
    ]);
    const figures = {
      readyS,
      workerPeakMb: pid === undefined ? Number.NaN : peakMb(pid),
      ...Object.fromEntries(shares),
    };
    await inParallel(handles, STARTS, async (handle) => {
      await handle.executeUpdate('abort', { args: [{ dropTarget: true }] });
      await handle.result();
    });
    return figures;
  };
  const env = { CSM_MAX_ACTIVITIES: '2000' };
  return withWorker(environment, 'dist/worker.js', run, { env, ...profiling(options) });
}
