import { setTimeout as sleep } from 'node:timers/promises';
import type { LagBound } from '../cutover-plan.js';
import type { Migration } from '../migration.js';
import { lagSeconds } from '../mongo/lag.js';
import { type ActivityDependencies, open, withPulse } from './context.js';

const POLL_MS = 250;

/**
 * Returns once the lag has stayed at or under a bound for so long. Reads only; safe to run again: it
 * begins to count anew.
 */
export async function untilLagIs(
  deps: Pick<ActivityDependencies, 'connections'>,
  migration: Migration,
  { whenLagUnder, forSeconds }: LagBound,
): Promise<void> {
  const { control } = open(deps, migration);
  const status: { doing: string; lagSeconds?: number | undefined } = {
    doing: `waiting until the lag has been at most ${whenLagUnder} s for ${forSeconds} s`,
  };
  await withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      let since = performance.now();
      for (;;) {
        status.lagSeconds = lagSeconds(await control.read());
        const now = performance.now();
        if ((status.lagSeconds ?? Infinity) > whenLagUnder) since = now;
        else if (now - since >= forSeconds * 1000) return;
        touch();
        await sleep(POLL_MS, undefined, { signal });
      }
    },
  );
}
