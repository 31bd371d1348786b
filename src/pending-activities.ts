import type { Client, WorkflowHandle } from '@temporalio/client';
import { redact } from './redact.js';
import type { Problem } from './workflows/status.js';

/** Failed attempts after which a retry is told as a problem. */
const ATTEMPTS = 3;

/** Longer than a driver looks for a server before it gives up, in ms. */
const RUNNING_MS = 15_000;

/** Codes of Temporal's PendingActivityState: running. */
const STARTED_STATES: readonly unknown[] = [2, 'STARTED'];

/** Codes of Temporal's PendingActivityState, as far as they mean that somebody has stopped it. */
const PAUSED_STATES: readonly unknown[] = [4, 5, 'PAUSED', 'PAUSE_REQUESTED'];

type Described = Awaited<ReturnType<WorkflowHandle['describe']>>['raw'];
/** Running activities, as Temporal describes them. */
export type Pending = NonNullable<Described['pendingActivities']>;

/** A workflow's running activities, as Temporal describes them. */
export async function readPending(client: Client, workflowId: string): Promise<Pending> {
  const { raw } = await client.workflow.getHandle(workflowId).describe();
  return raw.pendingActivities ?? [];
}

/**
 * What Temporal says of running activities: one that is paused, or that fails again and again, would
 * otherwise look like one that runs.
 */
export function problemIn(pending: Pending, workflowId: string): Problem | undefined {
  const activity = pending.find((one) => isPaused(one) || isFailing(one));
  if (!activity) return undefined;
  const { activityId, attempt, lastFailure, lastStartedTime } = activity;
  if (isPaused(activity)) {
    return {
      what: `the activity ${activityId} is paused in Temporal`,
      todo: `temporal activity unpause -w ${workflowId} -a ${activityId}`,
    };
  }
  const since = lastStartedTime?.seconds && new Date(Number(lastStartedTime.seconds) * 1000);
  return {
    what: `the activity ${activityId} fails, attempt ${attempt}: ${redact(lastFailure?.message ?? '')}`,
    ...(since && { since: since.toISOString() }),
    todo: 'it is tried again every 10 s: mend what the message names',
  };
}

/** The same in a few words that stay the same while it lasts: `capture fails`, `copyPartition is paused`. */
export function troubleIn(pending: Pending): string | undefined {
  const activity = pending.find((one) => isPaused(one) || isFailing(one));
  return activity && `${activity.activityType?.name} ${isPaused(activity) ? 'is paused' : 'fails'}`;
}

/** The details of the last heartbeat of a running activity, decoded; nothing before the first one. */
export function heartbeatIn(pending: Pending, activityId: string): unknown {
  const activity = pending.find((one) => one.activityId === activityId);
  const data = activity?.heartbeatDetails?.payloads?.[0]?.data;
  return data ? (JSON.parse(Buffer.from(data).toString()) as unknown) : undefined;
}

function isPaused({ state }: Pending[number]): boolean {
  return PAUSED_STATES.includes(state);
}

function isFailing({ attempt, lastFailure, state, lastStartedTime }: Pending[number]): boolean {
  return (attempt ?? 0) > ATTEMPTS && !!lastFailure && !isRunningAgain(state, lastStartedTime);
}

/** An attempt that has run for a while has got over what the one before it failed with. */
function isRunningAgain(
  state: unknown,
  started: { seconds?: { toString(): string } | null } | null | undefined,
): boolean {
  if (!STARTED_STATES.includes(state) || !started?.seconds) return false;
  return Date.now() - Number(started.seconds.toString()) * 1000 > RUNNING_MS;
}
