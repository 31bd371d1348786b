import type { CutoverPlan } from '../../cutover-plan.js';
import type { MigrateCollectionsOptions } from '../../group-options.js';
import { plannedOf } from '../status.js';
import { groupBlockers } from './blockers.js';
import { type GroupState, hasFailed, isReadyWithout, isToCutOver } from './state.js';

/** Names of those that a planned cutover leaves that are told. */
const MOST_LEFT = 20;

/**
 * The cutover that comes by itself; nothing where the plan has none left to cut over, and none can follow.
 */
export function pendingPlan(
  { plan, members }: GroupState,
  { follow }: Pick<MigrateCollectionsOptions, 'follow'>,
): CutoverPlan | undefined {
  if (!plan || follow || members.length === 0) return plan;
  const leave = leftBy(plan);
  // One that has failed may be begun anew.
  const isLeft = members.some(
    (member) => (isToCutOver(member) || hasFailed(member)) && !leave.includes(member.namespace),
  );
  return isLeft ? plan : undefined;
}

/** The same for status and answers, with the first of those that it leaves as they are. */
export function plannedOfGroup(
  state: GroupState,
  options: Pick<MigrateCollectionsOptions, 'follow'>,
) {
  const { plan: _plan, ...rest } = state;
  const plan = pendingPlan(state, options);
  const planned = plannedOf({ ...rest, ...(plan && { plan }) });
  const leave = plan ? leftBy(plan) : [];
  const isPlanned = planned.cutoverAt !== null || planned.cutoverWhen !== null;
  if (!isPlanned || leave.length === 0) return planned;
  const blockers = groupBlockers(state, leave, false);
  return {
    ...planned,
    cutoverLeave: {
      count: leave.length,
      first: leave.slice(0, MOST_LEFT),
      isReady: isReadyWithout(state, leave) && blockers.length === 0,
      needsRetry: blockers.some(({ code }) => code === 'failed'),
    },
  };
}

function leftBy(plan: CutoverPlan): readonly string[] {
  return 'leave' in plan ? (plan.leave ?? []) : [];
}
