import { Dice } from '../soak/dice.js';
import { type Outcome, runSoak } from '../soak/run.js';
import type { Case } from './alone/case.js';
import { casesAlone } from './alone/index.js';
import type { FaultOptions } from './options.js';
import { orphans } from './orphans.js';
import { reasonOf, Report } from './report.js';
import { type Scene, WITHOUT_DUMPS } from './scene.js';
import { Schedule } from './schedule.js';
import { Skipped } from './skipped.js';
import { endWorkers, tidyUp } from './tidy-up.js';

/** Collections beside the large one: what is broken here is the same for each of them. */
const SPECIALS = 2;

/** Faults during one migration of several collections, which has to end equal. */
export async function runSchedule(
  scene: Scene,
  options: FaultOptions,
  say: (line: string) => void,
  prefix = '',
): Promise<Outcome & { readonly report: Report }> {
  await scene.startWorker();
  const schedule = new Schedule(scene, options, say);
  const soak = {
    ...options,
    restarts: true,
    specials: SPECIALS,
    // A source that is killed, or hands over, gives such a document another time, without a change event: docs/faults.md.
    emptyTimestamps: false,
  };
  const outcome = await runSoak(scene.environment, soak, say, prefix, schedule);
  const left = (await orphans(scene)).map((line) => `still at work: ${line}`);
  const { report } = schedule;
  report.problems.push(...outcome.problems, ...left);
  for (const line of report.summary()) say(line);
  return { ...outcome, problems: report.verdict(), restarts: report.happened.length, report };
}

/** The cases that have a migration of their own, one after another. */
export async function runCases(
  scene: Scene,
  options: FaultOptions,
  say: (line: string) => void,
): Promise<Report> {
  const report = new Report();
  for (const [name, each] of Object.entries(casesAlone)) {
    if (options.only && !options.only.includes(name)) continue;
    const startedAt = performance.now();
    const tell = (end: string) =>
      say(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s, ${end}`);
    const found: string[] = [];
    const reason = await reasonOf(async () => {
      found.push(...(await runCase(scene, name, each, options)));
    });
    if (reason === undefined) {
      report.happened.push(name);
      report.problems.push(...found.map((problem) => `${name}: ${problem}`));
      tell(found.length === 0 ? 'as it has to be' : 'WRONG');
      for (const problem of found) say(`  ${problem}`);
    } else {
      report.skip(name, reason);
      tell(`SKIPPED: ${reason}`);
    }
  }
  for (const line of report.summary()) say(line);
  return report;
}

/** @returns what is wrong, a line each. @throws Skipped when it cannot be here */
async function runCase(
  scene: Scene,
  name: string,
  { dumps, run }: Case,
  { seed, copy }: FaultOptions,
): Promise<string[]> {
  if (dumps && copy === 'direct') throw new Skipped(WITHOUT_DUMPS);
  try {
    const ended = await run(scene, new Dice('case', name, seed), copy);
    await endWorkers(scene);
    const problems = [...ended, ...(await orphans(scene)).map((line) => `still at work: ${line}`)];
    if (problems.length > 0) await tidyUp(scene);
    return problems;
  } catch (error) {
    // What it leaves half done would hinder the cases after it.
    await tidyUp(scene);
    if (error instanceof Skipped) throw error;
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}
