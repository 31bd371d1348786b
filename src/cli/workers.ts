import type { WorkflowExecutionDescription } from '@temporalio/client';
import { TASK_QUEUE } from '../names.js';
import { CliError } from './cli-error.js';
import { moment, quoted } from './format.js';
import { isUnanswered } from './grpc.js';
import type { Session } from './session.js';

/** A worker asks for work at least once a minute; Temporal remembers it for five. */
const SILENT_MS = 90_000;
/** Longest that a worker may take to answer: it asks the servers, 3 s at most, and may have to replay first. */
const ANSWER_MS = 10_000;
// Temporal's TaskQueueType.
const QUEUE_TYPES = [
  [1, 'workflows'],
  [2, 'activities'],
] as const;

/** A worker process on the task queue, as Temporal knows it. */
export interface WorkerSeen {
  /** `<pid>@<host>`. */
  readonly identity: string;
  /** Version of Temporal's SDK in it; empty where it does not say. */
  readonly sdk: string;
  /** When it last asked for work (ISO 8601). */
  readonly lastSeen: string;
  readonly serves: readonly string[];
  /** It has asked for work in the last 90 s. */
  readonly isFresh: boolean;
}

/** Workers that have asked for work on the task queue in the last minutes. */
export async function findWorkers({ connection, namespace, call }: Session): Promise<WorkerSeen[]> {
  const found = new Map<string, WorkerSeen>();
  for (const [taskQueueType, what] of QUEUE_TYPES) {
    const { pollers } = await call(() =>
      connection.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: TASK_QUEUE },
        // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- its enum is only in the package of types
        taskQueueType,
      }),
    );
    for (const { identity, lastAccessTime, workerVersionCapabilities } of pollers ?? []) {
      if (!identity) continue;
      const seen = Number(lastAccessTime?.seconds ?? 0) * 1000;
      const before = found.get(identity);
      const [, sdk = ''] =
        /^@temporalio\/worker@([^+]+)/.exec(workerVersionCapabilities?.buildId ?? '') ?? [];
      found.set(identity, {
        identity,
        sdk,
        lastSeen: new Date(Math.max(seen, Date.parse(before?.lastSeen ?? '') || 0)).toISOString(),
        serves: [...(before?.serves ?? []), what],
        isFresh: (before?.isFresh ?? false) || Date.now() - seen < SILENT_MS,
      });
    }
  }
  return [...found.values()];
}

/** @throws CliError noWorker when none has asked for work lately */
export async function requireWorker(session: Session): Promise<void> {
  const workers = await findWorkers(session);
  if (!workers.some(({ isFresh }) => isFresh)) throw noWorker(session, workers);
}

/** What to do where no worker answers. */
export const FIND_WORKER = 'start one with "npm start", or see with "csm doctor" where it is';

/** Says that no worker answers, and what to do. */
export function noWorker(
  { namespace, address }: Pick<Session, 'namespace' | 'address'>,
  workers: readonly WorkerSeen[],
): CliError {
  const last = workers.toSorted((one, other) => other.lastSeen.localeCompare(one.lastSeen))[0];
  // Its age would be another each time: a watch in a pipe writes what is new.
  const seen = last
    ? ` (the last that was seen: ${last.identity}, at ${moment(last.lastSeen)})`
    : '';
  return new CliError(
    'noWorker',
    `no worker answers on task queue ${TASK_QUEUE} in namespace ${namespace} of ${address}${seen}`,
    { todo: [FIND_WORKER] },
  );
}

/** Says that a workflow waits on a queue which is none of ours; nothing where it is the right one. */
export function wrongQueue({
  workflowId,
  taskQueue,
}: Pick<WorkflowExecutionDescription, 'workflowId' | 'taskQueue'>): CliError | undefined {
  if (taskQueue === TASK_QUEUE) return undefined;
  return new CliError(
    'noWorker',
    `${workflowId} was started on task queue ${taskQueue}, and workers serve ${TASK_QUEUE}`,
    {
      todo: [
        `end it: temporal workflow terminate --workflow-id ${quoted(workflowId)}`,
        `start it again with --task-queue ${TASK_QUEUE}, or with "csm start"`,
      ],
    },
  );
}

/**
 * Runs a call that a worker has to answer, and does not wait where none is there.
 * @throws CliError noWorker
 */
export async function askWorker<T>(session: Session, run: () => Promise<T>): Promise<T> {
  const answer = session.connection.withDeadline(Date.now() + ANSWER_MS, run);
  // Whichever comes first; an answer that still comes is of no more use.
  answer.catch(() => undefined);
  const workers = findWorkers(session);
  const none = workers.then((found) => {
    if (found.some(({ isFresh }) => isFresh)) return answer;
    throw noWorker(session, found);
  });
  try {
    return await Promise.race([answer, none]);
  } catch (error) {
    if (isUnanswered(error)) throw noWorker(session, await workers);
    throw error;
  }
}
