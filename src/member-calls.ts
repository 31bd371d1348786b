import {
  type Client,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { errorTypes } from './errors.js';
import { groupMessages, type MemberRun } from './group.js';
import type { Blocker, Migration } from './migration.js';
import { firstRun } from './temporal.js';
import type { MigrationStatus } from './workflows/status.js';

/** Time that a workflow has to answer, in ms: it may have to be replayed first. */
const ANSWER_MS = 60_000;

/** The last workflow of an id. */
export interface FoundMember {
  readonly isRunning: boolean;
  /** Workflow id of the group that it belonged to. */
  readonly parent?: string;
  /** When it was cut over, where it was, and to what. */
  readonly openedAt?: string;
  readonly target?: string;
  readonly targetNamespace?: string;
}

/** The cutover of a group that a collection is to stand by for. */
export interface JoinRequest {
  readonly cutover: number;
  /** Codes of blockers to overrule. */
  readonly force: readonly string[];
}

/** What an activity of a group asks the workflows of its collections. */
export interface MemberCalls {
  /** The last workflow of an id; nothing where there is none. */
  readonly find: (workflowId: string) => Promise<FoundMember | undefined>;
  /** Sends a signal. @returns whether there was somebody to get it. */
  readonly signal: (
    member: Pick<MemberRun, 'workflowId' | 'runId'>,
    name: string,
    payload?: unknown,
  ) => Promise<boolean>;
  /** Lets a collection stand by for the group's cutover. @returns its migration, or what speaks against it. */
  readonly join: (
    member: MemberRun,
    request: JoinRequest,
  ) => Promise<Migration | { readonly refused: readonly Blocker[] }>;
  /** What speaks against a cutover of a collection now. */
  readonly dryRun: (member: MemberRun, force: readonly string[]) => Promise<readonly Blocker[]>;
}

/** The calls by a client of the worker. */
export function memberCalls(client: Client): MemberCalls {
  const handleOf = ({ workflowId, runId }: Pick<MemberRun, 'workflowId' | 'runId'>) =>
    client.workflow.getHandle(workflowId, undefined, { firstExecutionRunId: runId });
  return {
    find: async (workflowId) => {
      const handle = client.workflow.getHandle(workflowId);
      return orNotThere(async () => {
        const { closeTime, status, parentExecution } = await handle.describe();
        const parent = parentExecution?.workflowId;
        const isRunning = closeTime === undefined;
        const ended =
          status.name === 'COMPLETED' ? ((await handle.result()) as MigrationStatus) : undefined;
        return {
          isRunning,
          ...(parent && { parent }),
          ...(ended?.openedAt && {
            openedAt: ended.openedAt,
            target: ended.target,
            targetNamespace: ended.targetNamespace,
          }),
        };
      });
    },
    signal: async ({ workflowId, runId }, name, payload) => {
      const args = payload === undefined ? [] : [payload];
      // By its run alone: to an id it would go to whatever runs under that now, the next migration too.
      const send = async (run: string) =>
        orNotThere(async () => {
          await client.workflow.getHandle(workflowId, run).signal(name, ...args);
          return run;
        });
      if ((await send(runId)) !== undefined) return true;
      const latest = await orNotThere(() => client.workflow.getHandle(workflowId).describe());
      const goesOn = latest?.closeTime === undefined && latest && firstRun(latest) === runId;
      return goesOn ? (await send(latest.runId)) !== undefined : false;
    },
    join: (member, { cutover, force }) => {
      const args: [unknown] = [{ cutover, force }];
      const { cutover: name } = groupMessages;
      return answered(() => handleOf(member).executeUpdate<Migration, [unknown]>(name, { args }));
    },
    dryRun: async (member, force) => {
      const args: [unknown] = [{ dryRun: true, force }];
      const answer = await answered(() =>
        handleOf(member).executeUpdate<{ blockers: readonly Blocker[] }, [unknown]>('cutover', {
          args,
        }),
      );
      return 'refused' in answer ? answer.refused : answer.blockers;
    },
  };

  /** One that cannot answer must not keep all the others waiting. */
  async function answered<T>(ask: () => Promise<T>) {
    return orRefused(client.withDeadline(Date.now() + ANSWER_MS, ask));
  }
}

/** What was answered; nothing where there is no such workflow any more. */
async function orNotThere<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** What was answered, or the blockers for which it was refused. */
async function orRefused<T>(
  answer: Promise<T>,
): Promise<T | { readonly refused: readonly Blocker[] }> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) {
      return { refused: [{ code: 'ended', message: 'its workflow has ended' }] };
    }
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) {
      return { refused: [{ code: 'unknown', message: 'its workflow does not answer' }] };
    }
    const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
    if (!(cause instanceof ApplicationFailure)) throw error;
    if (cause.type === errorTypes.cutoverRefused) {
      return { refused: (cause.details ?? []) as readonly Blocker[] };
    }
    return { refused: [{ code: 'failed', message: cause.message }] };
  }
}
