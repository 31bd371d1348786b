import type { Client, WorkflowHandle } from '@temporalio/client';
import { redact } from './redact.js';
import type { Problem } from './workflows/status.js';

/** Failed attempts after which a retry is told as a problem. */
const ATTEMPTS = 3;

/** Longer than a driver looks for a server before it gives up, in ms. */
const RUNNING_MS = 15_000;

/**
 * An attempt that does not move beats for three minutes, and is lost then: one that came after such a one has
 * got over it when it runs longer, in ms.
 */
const STUCK_MS = 240_000;
/** Goes on for as long as the migration does; what has ended by a time limit there was a worker that died. */
const LASTING: readonly (string | null | undefined)[] = [
  'capture',
  'replay',
  'followShape',
  'reverify',
  'untilLagIs',
  'untilLagsAre',
  'untilProblemChanges',
];

/**
 * Begins from scratch at each attempt, and may fail late in each: one is told of as failing until it has run for this
 * long, in ms.
 */
const ANEW_MS = 30 * 60_000;
const ANEW: readonly (string | null | undefined)[] = [
  'dump',
  'restore',
  'copyPartition',
  'buildIndexes',
];

/** An activity is taken within moments where a worker has room for it, in ms. */
const WAITING_MS = 60_000;

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
 * What Temporal says of running activities: one that is paused, that fails again and again, or that no
 * worker takes would otherwise look like one that runs.
 */
export function problemIn(pending: Pending, workflowId: string): Problem | undefined {
  const found = findTrouble(pending);
  if (!found) return undefined;
  const { trouble, activity } = found;
  const { activityId, attempt, lastFailure, lastStartedTime, scheduledTime } = activity;
  if (trouble === 'is paused') {
    return {
      what: `the activity ${activityId} is paused in Temporal`,
      todo: `temporal activity unpause -w ${workflowId} -a ${activityId}`,
    };
  }
  const since = dateOf(trouble === 'fails' ? lastStartedTime : scheduledTime);
  if (trouble === 'waits for a worker') {
    return {
      what: `the activity ${activityId} waits for a worker that takes it`,
      ...(since && { since: since.toISOString() }),
      todo: activityId?.startsWith('restore')
        ? 'its dump is on the host of a worker that is gone: start one there with the same WORKER_HOST; else it is dumped again after 10 minutes'
        : 'start more workers, or give them a larger CSM_MAX_ACTIVITIES',
    };
  }
  return {
    what: `the activity ${activityId} fails, attempt ${attempt}: ${redact(lastFailure?.message ?? '')}`,
    ...(since && { since: since.toISOString() }),
    todo: STARTED_STATES.includes(activity.state)
      ? 'it runs once more now: mend what the message names if it fails again'
      : 'it is tried again every 10 s: mend what the message names',
  };
}

/** The same in a few words that stay the same while it lasts: `capture fails`, `copyPartition is paused`. */
export function troubleIn(pending: Pending): string | undefined {
  const found = findTrouble(pending);
  return found && `${found.activity.activityType?.name} ${found.trouble}`;
}

type Trouble = 'is paused' | 'fails' | 'waits for a worker';

function findTrouble(
  pending: Pending,
): { trouble: Trouble; activity: Pending[number] } | undefined {
  for (const activity of pending) {
    const trouble = troubleOf(activity);
    if (trouble) return { trouble, activity };
  }
  return undefined;
}

function troubleOf(activity: Pending[number]): Trouble | undefined {
  const { state, attempt, lastFailure, lastStartedTime, scheduledTime } = activity;
  if (PAUSED_STATES.includes(state)) return 'is paused';
  const hasStarted = STARTED_STATES.includes(state);
  // An attempt that has run for a while has got over what the one before it failed with.
  const runsAgain = hasStarted && isOlder(lastStartedTime, patienceWith(activity));
  if ((attempt ?? 0) > ATTEMPTS && lastFailure && !runsAgain) return 'fails';
  return !hasStarted && isOlder(scheduledTime, WAITING_MS) ? 'waits for a worker' : undefined;
}

function patienceWith({ activityType, lastFailure }: Pending[number]): number {
  const isTimeLimit = Boolean(lastFailure?.timeoutFailureInfo);
  if (ANEW.includes(activityType?.name) && !isTimeLimit) return ANEW_MS;
  return isTimeLimit && !LASTING.includes(activityType?.name) ? STUCK_MS : RUNNING_MS;
}

/** The details of the last heartbeat of a running activity, decoded; nothing before the first one. */
export function heartbeatIn(pending: Pending, activityId: string): unknown {
  const activity = pending.find((one) => one.activityId === activityId);
  const data = activity?.heartbeatDetails?.payloads?.[0]?.data;
  return data ? (JSON.parse(Buffer.from(data).toString()) as unknown) : undefined;
}

type Moment = { seconds?: { toString(): string } | null } | null | undefined;

function dateOf(moment: Moment): Date | undefined {
  return moment?.seconds ? new Date(Number(moment.seconds.toString()) * 1000) : undefined;
}

function isOlder(moment: Moment, ms: number): boolean {
  const date = dateOf(moment);
  return date !== undefined && Date.now() - date.getTime() > ms;
}
