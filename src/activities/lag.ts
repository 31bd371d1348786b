import { setTimeout as sleep } from 'node:timers/promises';
import type { LagBound } from '../cutover-plan.js';
import type { Group } from '../group.js';
import type { Migration } from '../migration.js';
import { lagSeconds } from '../mongo/lag.js';
import { readControls } from '../mongo/run-summary.js';
import { type ActivityDependencies, open } from './context.js';
import { withPulse } from './pulse.js';

const POLL_MS = 250;
/** Of many collections, all of which are read. */
const POLL_MANY_MS = 1_000;

/** What a group's collections are found by at the target. */
export interface GroupRuns {
  readonly databases: readonly string[];
  readonly runIds: readonly string[];
}

/**
 * Returns once the lag has stayed at or under a bound for so long. Reads only; safe to run again: it
 * begins to count anew.
 */
export async function untilLagIs(
  deps: Pick<ActivityDependencies, 'connections'>,
  migration: Migration,
  bound: LagBound,
): Promise<void> {
  const { control } = open(deps, migration);
  return untilLow(bound, POLL_MS, async () => lagSeconds(await control.read()));
}

/** The same for the largest lag of a group's collections. */
export async function untilLagsAre(
  deps: Pick<ActivityDependencies, 'connections'>,
  { options: { target } }: Group,
  { databases, runIds }: GroupRuns,
  bound: LagBound,
): Promise<void> {
  deps.connections.require([target]);
  const client = deps.connections.get(target);
  return untilLow(bound, POLL_MANY_MS, async () => {
    const found = await Promise.all(databases.map((db) => readControls(client.db(db), runIds)));
    const known = found.flat().flatMap((control) => lagSeconds(control) ?? []);
    return known.length < runIds.length ? undefined : Math.max(0, ...known);
  });
}

/** @param read the lag in seconds; nothing where it is not known. */
async function untilLow(
  { whenLagUnder, forSeconds }: LagBound,
  pollMs: number,
  read: () => Promise<number | undefined>,
): Promise<void> {
  const status: { doing: string; lagSeconds?: number | undefined } = {
    doing: `waiting until the lag has been at most ${whenLagUnder} s for ${forSeconds} s`,
  };
  await withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      let since = performance.now();
      for (;;) {
        status.lagSeconds = await read();
        const now = performance.now();
        if ((status.lagSeconds ?? Infinity) > whenLagUnder) since = now;
        else if (now - since >= forSeconds * 1000) return;
        touch();
        await sleep(pollMs, undefined, { signal });
      }
    },
  );
}
