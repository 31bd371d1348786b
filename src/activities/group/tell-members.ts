import type { MemberRun } from '../../group.js';
import { inParallel } from '../../in-parallel.js';
import type { ActivityDependencies } from '../context.js';
import { withPulse } from '../pulse.js';

/** Signals that are sent together. */
const PARALLEL = 8;

/** A signal for one collection's migration. */
export interface Letter {
  readonly to: MemberRun;
  readonly name: string;
  readonly payload?: unknown;
}

/**
 * Sends signals to the migrations of a group. One that has ended gets none. Safe to run again: all that a
 * group sends may come twice.
 * @returns how many were there to get it.
 */
export async function tellMembers(
  { members }: Pick<ActivityDependencies, 'members'>,
  letters: readonly Letter[],
): Promise<number> {
  const status = { told: 0, of: letters.length };
  return withPulse(
    () => ({ ...status }),
    async ({ touch }) => {
      await inParallel(letters, PARALLEL, async ({ to, name, payload }) => {
        if (await members.signal(to, name, payload)) status.told += 1;
        touch();
      });
      return status.told;
    },
  );
}
