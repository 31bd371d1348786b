import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { MigrationStatus } from '../../src/workflows/status.js';
import type { Environment } from '../e2e/environment.js';
import { chooseCollections, featuresOf, type Profile } from './collections.js';
import { Dice } from './dice.js';
import { judge } from './judge.js';
import type { SoakOptions } from './options.js';
import { type Disturbances, Restarts } from './restarts.js';
import { Source } from './source.js';

/** What came of a soak. */
export interface Outcome {
  /** What is wrong, a line each; empty when all is equal. */
  readonly problems: readonly string[];
  /** Changes that took effect. */
  readonly changes: number;
  /** Documents that were compared. */
  readonly documents: number;
  readonly restarts: number;
}

/** A migration and its collection. */
interface Running {
  readonly profile: Profile;
  readonly handle: WorkflowHandle;
}

const MEGABYTE = 1024 * 1024;
const SAY_EVERY_MS = 15_000;

/**
 * One soak in an environment that may have had others: loads the collections, migrates them all at the same
 * time while they change, cuts over, and compares.
 *
 * @param prefix of the collections' names, where several soaks share an environment
 * @param worker what goes wrong meanwhile; it has a worker already
 */
export async function runSoak(
  environment: Environment,
  options: SoakOptions,
  say: (line: string) => void,
  prefix = '',
  worker: Disturbances = new Restarts(environment, options.seed),
): Promise<Outcome> {
  const versions = await environment.versions();
  say(`source ${versions[0]}, target ${versions[1]}`);
  const features = featuresOf(...versions);
  const { seed, documents: most, specials, emptyTimestamps, everything: aging } = options;
  const choice = { prefix, specials, emptyTimestamps, aging };
  const profiles = chooseCollections(seed, most, features, choice);
  const source = new Source(environment.source.uri, profiles, options.seed);
  try {
    for (const line of await source.load()) say(line);
    const statuses = await migrate(environment, options, source, worker, say);
    for (const line of source.tally.lines()) say(line);
    say(`restarts: ${worker.done.length > 0 ? worker.done.join(', ') : 'none'}`);
    const { problems, documents } = await judge(environment, statuses, say);
    if (problems.length > 0) worker.problems().forEach((line) => say(line));
    return { problems, documents, changes: source.tally.total, restarts: worker.done.length };
  } catch (error) {
    worker.problems().forEach((line) => say(line));
    throw error;
  } finally {
    await source.stop();
    await source.close();
    await worker.stop();
  }
}

async function migrate(
  environment: Environment,
  options: SoakOptions,
  source: Source,
  worker: Disturbances,
  say: (line: string) => void,
): Promise<Map<Profile, MigrationStatus | Error>> {
  const failed = new Promise<never>((_resolve, reject) =>
    source.start(options, worker.hitsSource, reject),
  );
  // Looked at by the races below; before them it has no one to tell.
  failed.catch(() => {});
  const dice = new Dice('migrations', options.seed);
  // From then on the worker stays, so that all gets ready.
  const least = sleep(options.minutes * 60_000).then(() => worker.end());
  const running: Running[] = [];
  for (const profile of source.profiles) {
    const partitionBytes = dice.pick([1, 2, 8, 64]) * MEGABYTE;
    const more = { partitionBytes, gzip: dice.chance(0.3), copy: options.copy };
    const token = dice.pick(['stream', 'stream', 'marker']);
    const mayMark = profile.kind === 'plain' || profile.kind === 'images';
    const input = { ...more, token: mayMark ? token : 'stream' };
    running.push({ profile, handle: await environment.migrate(profile.name, input) });
  }
  if (options.restarts) worker.begin(running.map(({ handle }) => handle));
  let isTelling = false;
  const told = setInterval(() => {
    // Without a worker an answer takes long.
    if (isTelling) return;
    isTelling = true;
    void tell(environment, running, source, say).finally(() => (isTelling = false));
  }, SAY_EVERY_MS);
  told.unref();
  let abandoned = false;
  const ready = running.map(({ handle }) =>
    environment.until(handle, 'ready', ({ phase }) => abandoned || phase === 'ready'),
  );
  try {
    await Promise.race([failed, Promise.all([least, ...ready])]);
  } finally {
    abandoned = true;
    // A question on its way would outlive the connection.
    await Promise.allSettled(ready);
  }
  await Promise.race([failed, source.stop()]);
  say('cutover');
  const ends = running.map(async ({ profile, handle }) => {
    // A cutover that is refused for good still leaves two collections to compare.
    const end = await environment.cutOver(handle).catch((error: unknown) => asError(error));
    return [profile, end] as const;
  });
  const all = Promise.all(ends);
  if (options.restarts && dice.chance(0.7)) {
    await sleep(dice.below(600));
    await Promise.all([worker.restart(), all]);
  }
  return new Map(await all);
}

async function tell(
  environment: Environment,
  running: readonly Running[],
  source: Source,
  say: (line: string) => void,
): Promise<void> {
  const phases = await Promise.all(
    running.map(async ({ handle }) => {
      const { phase, lagSeconds, problem, verification } = await environment.status(handle);
      const lag = lagSeconds === null ? '' : ` ${lagSeconds.toFixed(1)} s`;
      const differing = verification.report?.first[0];
      const difference = differing ? ` ${JSON.stringify(differing)}` : '';
      return `${phase}${lag}${difference}${problem ? `: ${problem.what}` : ''}`;
    }),
  ).catch(() => []);
  say(`  ${source.tally.total} changes; ${phases.join(', ')}`);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
