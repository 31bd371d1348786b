import { Context } from '@temporalio/activity';
import type { Migration } from '../migration.js';
import type { Limits } from '../tuning.js';
import { type ActivityDependencies, open } from './context.js';
import { withPulse } from './pulse.js';

/**
 * Puts limits where activities that run look for them (see `live-limits.ts`). Safe to run again: the attempt that was
 * scheduled last counts.
 */
export async function tune(
  deps: Pick<ActivityDependencies, 'connections'>,
  migration: Migration,
  limits: Limits,
): Promise<void> {
  const { control } = open(deps, migration);
  const { currentAttemptScheduledTimestampMs } = Context.current().info;
  await withPulse(
    () => ({ doing: 'changing limits' }),
    () => control.setLimits(limits, new Date(currentAttemptScheduledTimestampMs)),
  );
}
