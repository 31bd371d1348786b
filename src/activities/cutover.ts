import type { Blocker, CutoverOutcome, CutoverReport, Migration } from '../migration.js';
import { failpoint } from '../failpoint.js';
import type { GroupBlocker } from '../group.js';
import { readFence } from '../mongo/operation-time.js';
import { CollectionCutover, showTime } from './collection-cutover.js';
import type { ActivityDependencies } from './context.js';
import { type Pulse, withPulse } from './pulse.js';
import { inParallel } from '../in-parallel.js';

/**
 * Rounds of comparing before the fence: so many at most, none after one that was this short (ms) or
 * that took more than this share of the one before it: writers are as fast as the rounds then.
 */
const AHEAD = { rounds: 8, shortMs: 30, shrinking: 0.9 };
/** Collections that are cut over at the same moment: each waits for its servers most of the time. */
const PARALLEL = 16;

/**
 * Cuts over: takes the fence, reads the rest of the stream up to it, applies it, looks again at what
 * differed, and brings uniqueness, validator and expiry into force. Holds capture and replay while
 * it does, and lets them go on when it refuses. Safe to run again: a new attempt takes a new fence.
 */
export async function cutover(
  deps: ActivityDependencies,
  migration: Migration,
  force: readonly string[],
): Promise<CutoverOutcome> {
  const status = { doing: '' };
  return withPulse(
    () => ({ ...status }),
    async (pulse) => {
      await using one = new CollectionCutover({ deps, migration, force, pulse });
      const outcome = await cutOverTogether([one], { pulse, status });
      if ('done' in outcome) return { done: outcome.done[0] as CutoverReport };
      return { refused: outcome.refused.map(({ code, message }) => ({ code, message })) };
    },
  );
}

/** What was refused, or a report for each collection in the order in which they were given. */
export type TogetherOutcome =
  { readonly refused: readonly GroupBlocker[] } | { readonly done: readonly CutoverReport[] };

/** What a cutover of several collections needs beside them. */
export interface TogetherContext {
  readonly pulse: Pulse;
  /** What it does at the moment, for people. */
  readonly status: { doing: string };
  /** What else may speak against it once the fence is taken: a collection that has appeared. */
  readonly lookAround?: () => Promise<readonly GroupBlocker[]>;
}

/**
 * Cuts over collections of one source at one fence, all of them or none: whatever one of them is refused
 * for, nothing of any of them stays in force. `[]` is nothing to do.
 * @throws what goes wrong, with everything released; a new attempt takes a new fence.
 */
export async function cutOverTogether(
  cutovers: readonly CollectionCutover[],
  { pulse, status, lookAround }: TogetherContext,
): Promise<TogetherOutcome> {
  const each = async (stage: (one: CollectionCutover) => Promise<readonly Blocker[] | void>) => {
    const found = await inParallel(cutovers, PARALLEL, async (one) => {
      pulse.touch();
      const { namespace } = one.migration.options;
      return ((await stage(one)) ?? []).map((blocker) => ({ ...blocker, namespace }));
    });
    return found.flat();
  };
  try {
    const outcome = await cutOver();
    // A refusal that left everything standing would be worse than another try.
    if ('refused' in outcome) await letAllGo(cutovers);
    return outcome;
  } catch (error) {
    await letAllGo(cutovers).catch(() => undefined);
    throw error;
  }

  async function cutOver(): Promise<TogetherOutcome> {
    status.doing = 'looking for what speaks against it';
    const early = await each((one) => one.look());
    if (early.length > 0) return { refused: early };
    status.doing = 'comparing what has changed';
    await compareAhead(() => each((one) => one.compareAhead()));
    status.doing = 'taking over from capture and replay';
    const unheld = await each((one) => one.hold());
    failpoint('cutover-held');
    if (unheld.length > 0) return { refused: unheld };
    return fenceOff();
  }

  async function fenceOff(): Promise<TogetherOutcome> {
    const [first] = cutovers;
    if (!first) return { done: [] };
    const fencedAt = new Date();
    const fence = await readFence(first.opened.source, first.opened.sourceCollection, pulse.signal);
    status.doing = `applying the last changes up to ${showTime(fence)}`;
    const appeared = await lookAround?.();
    if (appeared && appeared.length > 0) return { refused: appeared };
    const undrained = await each((one) => one.drain(fence));
    if (undrained.length > 0) return { refused: undrained };

    failpoint('cutover-drained');
    status.doing = 'looking again at what differed';
    const different = await each((one) => one.compare(fence));
    if (different.length > 0) return { refused: different };

    status.doing = 'bringing indexes and options into force';
    const unforced = await each((one) => one.enforce());
    if (unforced.length > 0) return { refused: unforced };
    failpoint('cutover-enforced');
    const times = { fence, fencedAt, openedAt: new Date() };
    return { done: await inParallel(cutovers, PARALLEL, (one) => one.report(times)) };
  }
}

/**
 * Lets all of them go on as before, whichever attempt holds them.
 * @throws what has kept one of them from it, once all have been tried.
 */
export async function letAllGo(cutovers: readonly CollectionCutover[]): Promise<void> {
  const failures = await inParallel(cutovers, PARALLEL, async (one) =>
    one.letGo().then(
      () => [],
      (error: unknown) => [error],
    ),
  );
  const [failure] = failures.flat();
  if (failure !== undefined) throw failure;
}

/**
 * Compares what has changed while capture and replay still go on: what a round takes the next one has
 * to do, so they become shorter. Whatever is done here is not done after the fence.
 */
async function compareAhead(round: () => Promise<unknown>): Promise<void> {
  let last = Number.POSITIVE_INFINITY;
  for (let done = 0; done < AHEAD.rounds; done++) {
    const begun = performance.now();
    await round();
    const took = performance.now() - begun;
    if (took < AHEAD.shortMs || took > last * AHEAD.shrinking) return;
    last = took;
  }
}
