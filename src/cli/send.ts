import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApplicationFailure,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  WorkflowUpdateStage,
} from '@temporalio/client';
import { errorTypes } from '../errors.js';
import type { GroupBlocker } from '../group.js';
import type { GroupMessageName } from '../workflows/group/messages.js';
import type { MessageName } from '../workflows/messages.js';
import { CliError } from './cli-error.js';
import { isUnanswered } from './grpc.js';
import type { Output } from './output.js';
import { Reading } from './reading.js';
import { describeBlockers, nameOf } from './next-step.js';
import type { Session } from './session.js';
import { findWorkers, noWorker, requireWorker } from './workers.js';

/** Longest that a worker may take to accept an update. */
const ACCEPT_MS = 20_000;
/** Between two questions to a Temporal that is away. */
const AGAIN_MS = 1_000;

/** One update to one migration. */
export interface Message {
  readonly workflowId: string;
  readonly runId: string;
  readonly name: MessageName | GroupMessageName;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Workflow id of the group that it belongs to, for what is refused because of it. */
  readonly group?: string | undefined;
}

/**
 * Sends an update and waits for its answer, also while Temporal is away once it has taken it.
 * @throws CliError refused with the reasons, or noWorker
 */
export async function send<Answer>(
  session: Session,
  output: Output,
  message: Message,
): Promise<Answer> {
  const { workflowId, runId, name, payload } = message;
  await requireWorker(session);
  const handle = session.client.workflow.getHandle(workflowId, runId);
  try {
    const update = await session.connection.withDeadline(Date.now() + ACCEPT_MS, () =>
      handle.startUpdate<Answer, [object]>(name, {
        args: [payload],
        waitForStage: WorkflowUpdateStage.ACCEPTED,
      }),
    );
    const read = new Reading(output, `${name} was taken and goes on; `);
    for (;;) {
      const answer = await read.once(async () => ({ result: await update.result() }));
      if (answer) return answer.result;
      await sleep(AGAIN_MS);
    }
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw tooLate(name, workflowId);
    if (error instanceof WorkflowUpdateFailedError) throw refusal(error, message);
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isUnanswered(error)) {
      const { message: why } = noWorker(session, await findWorkers(session));
      throw new CliError('noWorker', why, {
        todo: [
          `${name} was sent and may still take effect when a worker is back: look at "csm status ${nameOf(workflowId)}"`,
        ],
      });
    }
    throw error;
  }
}

/** Says that nobody is left who would take a message. */
export function tooLate(name: Message['name'], workflowId: string): CliError {
  return new CliError('refused', `${name} comes too late: the migration is over`, {
    todo: [`csm status ${nameOf(workflowId)}`],
  });
}

function refusal({ cause }: WorkflowUpdateFailedError, message: Message): CliError {
  const { name, workflowId, group } = message;
  if (!(cause instanceof ApplicationFailure)) {
    return new CliError('failure', `${name} has failed: ${cause?.message ?? 'no reason given'}`);
  }
  if (cause.type !== errorTypes.cutoverRefused) return new CliError('refused', cause.message);
  const blockers = (cause.details ?? []).filter(isBlocker);
  return new CliError(
    'refused',
    'the cutover is refused; nothing has changed, the migration goes on',
    {
      todo: describeBlockers(blockers, workflowId, group),
      facts: { blockers },
    },
  );
}

function isBlocker(value: unknown): value is GroupBlocker {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}
