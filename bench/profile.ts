import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { join, resolve } from 'node:path';
import type { BenchOptions } from './case.js';
import { drawFlameGraph } from './flame-graph.js';
import type { WorkerSetting } from './migration.js';

/** Between two samples, in µs: a variant takes some seconds. */
const INTERVAL_US = 500;
/** What Node.js calls the profile of a thread of a worker. */
const OF_WORKER = /^CPU\..*\.cpuprofile$/;

/** Lets a worker write what its threads did, when it ends. */
export function profiling({ profile }: Pick<BenchOptions, 'profile'>): WorkerSetting {
  if (profile === undefined) return {};
  const folder = `--cpu-prof-dir=${resolve(profile)}`;
  return { flags: ['--cpu-prof', `--cpu-prof-interval=${INTERVAL_US}`, folder] };
}

/**
 * Writes profiles of what a variant does, for the developer tools of browsers, and flame graphs of them: of this
 * process, and of the workers that it starts.
 */
export async function profiled<T>(folder: string, name: string, run: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true });
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
  await session.post('Profiler.start');
  try {
    return await run();
  } finally {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    await write(folder, name, profile);
    const files = (await readdir(folder)).filter((file) => OF_WORKER.test(file));
    for (const [index, file] of files.entries()) {
      const text = await readFile(join(folder, file), 'utf8');
      await write(folder, `${name}, worker ${index}`, JSON.parse(text) as Profiler.Profile);
      await rm(join(folder, file));
    }
  }
}

async function write(folder: string, name: string, profile: Profiler.Profile): Promise<void> {
  const path = join(folder, name.replaceAll(/[^\w.]+/g, '-'));
  await writeFile(`${path}.cpuprofile`, JSON.stringify(profile));
  await writeFile(`${path}.svg`, drawFlameGraph(name, profile));
}
