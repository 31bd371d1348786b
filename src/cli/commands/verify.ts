import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { TASK_QUEUE } from '../../names.js';
import { parseVerifyCollection, verifyCollectionInput } from '../../options.js';
import { CliError } from '../cli-error.js';
import { requireGoodEnd } from '../ending.js';
import { follow, renderView } from '../follow.js';
import { inputFrom } from '../migration-options.js';
import { nameOf } from '../next-step.js';
import { requirePlain } from '../patterns.js';
import { isComparison, type View } from '../view.js';
import { requireWorker } from '../workers.js';
import { type CommonOptions, openContext } from './context.js';
import { exists, requireAnswer, untilAnswered } from './start.js';
import { summaryOf } from '../../static-details.js';

/** Options of `verify`; those of the input beside them. */
export interface VerifyOptions extends CommonOptions, Readonly<Record<string, unknown>> {
  readonly source: string;
  readonly target: string;
  readonly id?: string;
  readonly wait: boolean;
}

/** `csm verify`: compares two collections. @throws CliError different when they are not equal */
export async function verify(given: string, options: VerifyOptions): Promise<void> {
  const namespace = requirePlain(given, 'verify compares');
  const input = { ...inputFrom(verifyCollectionInput.shape, options), namespace };
  const parsed = parseVerifyCollection(input);
  if ('error' in parsed) throw new CliError('usage', parsed.error);
  const { session, output } = await openContext(options);
  const { source, target, targetNamespace } = parsed.value;
  const workflowId = options.id ?? `verify:${source}:${namespace}`;
  if (options.wait) await requireWorker(session);
  const handle = await session
    .call(() =>
      session.client.workflow.start('verifyCollection', {
        taskQueue: TASK_QUEUE,
        workflowId,
        args: [input],
        staticSummary: summaryOf(
          `compares ${source}:${namespace} with ${target}:${targetNamespace}`,
        ),
      }),
    )
    .catch((error: unknown) => {
      throw error instanceof WorkflowExecutionAlreadyStartedError ? exists(workflowId) : error;
    });
  const runId = handle.firstExecutionRunId;
  const again = `csm status ${nameOf(workflowId)} --watch`;
  output.say(`started ${workflowId}; nothing is written on either side`);
  if (!options.wait) {
    output.data({ workflowId, runId });
    output.say(`see it with: ${again}`);
    return;
  }
  output.onInterrupt(
    `the comparison goes on: ${again}; to end it: temporal workflow cancel --workflow-id ${workflowId}`,
  );
  const until = untilAnswered(isAnswered, () => false);
  const view = await follow(session, output, { workflowId, runId, until });
  output.data(view);
  if (!output.isLive) output.say(...renderView(view, output));
  requireGoodEnd(view);
  requireAnswer(view);
  const report = isComparison(view) ? view.status?.report : undefined;
  if (!report?.equal) throw new CliError('different', 'the collections are not equal');
}

/** Somebody has taken it up. */
function isAnswered({ status }: View): boolean {
  return status !== null;
}
