import type { MemberRun } from '../../group.js';
import { inParallel } from '../../in-parallel.js';
import type { ActivityDependencies } from '../context.js';
import { withPulse } from '../pulse.js';

/** Signals that are sent together. */
const PARALLEL = 8;

/** Whom a signal goes to. */
export type Addressee = Pick<MemberRun, 'workflowId' | 'runId'>;

/** A signal for the migrations of one or several collections. */
export interface Letter {
  /** Groups that were started by code before this name one in each. */
  readonly to: Addressee | readonly Addressee[];
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
  const all = letters.flatMap(({ to, ...content }) =>
    [to].flat().map((each) => ({ to: each, ...content })),
  );
  const status = { told: 0, of: all.length };
  return withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      const failed: unknown[] = [];
      // One that cannot be told must not keep the others from hearing.
      await inParallel(all, PARALLEL, async ({ to, name, payload }) => {
        // Another attempt tells them, and what comes after it.
        signal.throwIfAborted();
        const isThere = members.signal(to, name, payload);
        if (await isThere.catch((error: unknown) => void failed.push(error))) status.told += 1;
        touch();
      });
      if (failed.length > 0) throw failed[0];
      return status.told;
    },
  );
}
