import { Dice } from '../soak/dice.js';
import { type Outcome, runSoak } from '../soak/run.js';
import { casesAlone } from './alone/index.js';
import type { FaultOptions } from './options.js';
import { orphans } from './orphans.js';
import type { Scene } from './scene.js';
import { Schedule } from './schedule.js';

/** Collections beside the large one: what is broken here is the same for each of them. */
const SPECIALS = 2;

/** Faults during one migration of several collections, which has to end equal. */
export async function runSchedule(
  scene: Scene,
  options: FaultOptions,
  say: (line: string) => void,
  prefix = '',
): Promise<Outcome> {
  await scene.startWorker();
  const schedule = new Schedule(scene, options.seed, say, options.only);
  const soak = {
    ...options,
    restarts: true,
    specials: SPECIALS,
    // A source that is killed, or hands over, gives such a document another time, without a change event: docs/faults.md.
    emptyTimestamps: false,
  };
  const outcome = await runSoak(scene.environment, soak, say, prefix, schedule);
  const left = (await orphans(scene)).map((line) => `still at work: ${line}`);
  const problems = [...outcome.problems, ...left];
  return { ...outcome, problems, restarts: schedule.done.length };
}

/** The cases that have a migration of their own, one after another. @returns what is wrong, a line each */
export async function runCases(
  scene: Scene,
  { seed, copy, only }: FaultOptions,
  say: (line: string) => void,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const [name, { run }] of Object.entries(casesAlone)) {
    if (only && !only.includes(name)) continue;
    const startedAt = performance.now();
    const ended = await run(scene, new Dice('case', name, seed), copy).catch((error: unknown) => [
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    ]);
    await Promise.all(scene.workers.splice(0).map((worker) => worker.kill('SIGTERM')));
    const left = (await orphans(scene)).map((line) => `still at work: ${line}`);
    const found = [...ended, ...left];
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    say(`${name}: ${seconds} s, ${found.length === 0 ? 'as it has to be' : 'WRONG'}`);
    for (const problem of found) say(`  ${problem}`);
    problems.push(...found.map((problem) => `${name}: ${problem}`));
  }
  return problems;
}
