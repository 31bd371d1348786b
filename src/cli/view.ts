import { WorkflowFailedError, type WorkflowExecutionDescription } from '@temporalio/client';
import type { ComparisonReport } from '../comparison.js';
import { parseVerifyCollection } from '../options.js';
import { redact } from '../redact.js';
import type { GroupStatus } from '../workflows/group/status.js';
import type { MigrationStatus } from '../workflows/status.js';
import { buildVerifyStatus, type VerifyStatus } from '../workflows/verify-status.js';
import { isAway } from './grpc.js';
import type { Session } from './session.js';
import { askWorker, wrongQueue } from './workers.js';
import { readInput, type WorkflowInput } from './workflow-list.js';

/** Where a workflow stands, in words of ours. */
export type State =
  'running' | 'completed' | 'aborted' | 'failed' | 'canceled' | 'terminated' | 'timedOut';

/** An activity that is under way, as Temporal knows it without a worker. */
export interface Underway {
  readonly activity: string;
  readonly attempt: number;
  readonly lastHeartbeat: string | null;
  readonly lastFailure: string | null;
}

/** What the workflows of this product answer to the query `status`. */
export type AnyStatus = MigrationStatus | GroupStatus | VerifyStatus;

/** What is known of one workflow. `csm status --json` prints it as it is. */
export interface View<Status = AnyStatus> {
  readonly workflowId: string;
  readonly runId: string;
  readonly type: string;
  readonly state: State;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly input: WorkflowInput | null;
  /** The answer to the query `status`, or the result; `null` where nobody answers. */
  readonly status: Status | null;
  /** Why there is no status. */
  readonly noAnswer: string | null;
  /** Why it has failed. */
  readonly failure: string | null;
  readonly underway: readonly Underway[];
}

export type MigrationView = View<MigrationStatus>;
export type GroupView = View<GroupStatus>;
export type ComparisonView = View<VerifyStatus>;

/** Whether a view is one of a migration of one collection. */
export function isMigration(view: View): view is MigrationView {
  return view.type === 'migrateCollection';
}

/** Whether a view is one of a migration of many collections. */
export function isGroup(view: View): view is GroupView {
  return view.type === 'migrateCollections';
}

/** Whether a view is one of a comparison. */
export function isComparison(view: View): view is ComparisonView {
  return view.type === 'verifyCollection';
}

const STATES: Readonly<Record<string, State>> = {
  RUNNING: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'canceled',
  TERMINATED: 'terminated',
  TIMED_OUT: 'timedOut',
};

/** Temporal's name of a state in ours. */
export function stateOf(temporalStatus: string): State {
  return STATES[temporalStatus] ?? 'running';
}

/**
 * Reads all that can be known of a workflow: from its worker while it runs, from its result when it is
 * over, and from Temporal alone where no worker answers.
 */
export async function readView(
  session: Session,
  described: WorkflowExecutionDescription,
): Promise<View> {
  const { workflowId, runId, type, startTime, closeTime } = described;
  const handle = session.client.workflow.getHandle(workflowId, runId);
  const input = (await readInput(session, workflowId, runId)) ?? null;
  const known = {
    workflowId,
    runId,
    type,
    state: stateOf(described.status.name),
    startedAt: startTime.toISOString(),
    endedAt: closeTime?.toISOString() ?? null,
    input,
    status: null,
    noAnswer: null,
    failure: null,
    underway: underwayIn(described),
  } satisfies View;
  const query = () => handle.query<AnyStatus>('status');
  if (type === 'preflight') return known;
  if (known.state === 'running') {
    const wrong = wrongQueue(described);
    if (wrong) return { ...known, noAnswer: [wrong.message, ...wrong.todo].join('; ') };
    try {
      return { ...known, status: await askWorker(session, query) };
    } catch (error) {
      if (isAway(error)) throw error;
      // Also a worker whose answer is an error: one such workflow must not hide the others.
      return { ...known, noAnswer: redact(error instanceof Error ? error.message : String(error)) };
    }
  }
  try {
    const result = await session.call(() => handle.result());
    const status = statusOf(known, result);
    return { ...known, status, state: isAborted(status) ? 'aborted' : 'completed' };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const failure = redact(error.cause?.message ?? error.message);
    // A worker can still tell how far it had come.
    const status = await askWorker(session, query).catch(() => null);
    return { ...known, failure, status };
  }
}

function statusOf(view: View, result: unknown): AnyStatus {
  if (!isComparison(view)) return result as MigrationStatus | GroupStatus;
  const parsed = parseVerifyCollection(view.input ?? {});
  const options = 'value' in parsed ? parsed.value : (view.input as never);
  const report = result as ComparisonReport;
  return buildVerifyStatus({ phase: 'completed', startedAt: view.startedAt, report }, { options });
}

function isAborted(status: AnyStatus): boolean {
  return status.phase === 'aborted';
}

/** Temporal's timestamps in ISO 8601. */
export function isoTime(
  time:
    { seconds?: { toString(): string } | number | null; nanos?: number | null } | null | undefined,
): string | null {
  if (time?.seconds === null || time?.seconds === undefined) return null;
  const milliseconds = Number(time.seconds) * 1000 + Math.floor((time.nanos ?? 0) / 1_000_000);
  return new Date(milliseconds).toISOString();
}

function underwayIn({ raw }: WorkflowExecutionDescription): Underway[] {
  return (raw.pendingActivities ?? []).map((each) => ({
    activity: each.activityId ?? '',
    attempt: each.attempt ?? 1,
    lastHeartbeat: isoTime(each.lastHeartbeatTime),
    lastFailure: each.lastFailure?.message ? redact(each.lastFailure.message) : null,
  }));
}
