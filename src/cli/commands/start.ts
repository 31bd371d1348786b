import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { TASK_QUEUE } from '../../names.js';
import { isFinal, type Phase } from '../../workflows/phases.js';
import { CliError } from '../cli-error.js';
import { requireGoodEnd } from '../ending.js';
import { follow, renderView } from '../follow.js';
import { quoted } from '../format.js';
import { nameOf } from '../next-step.js';
import { collectionOrder, type StartOrder, startOrder } from '../start-order.js';
import { isGroup, isMigration, type View } from '../view.js';
import { FIND_WORKER, requireWorker } from '../workers.js';
import { type CommonOptions, type Context, openContext } from './context.js';

/** Options of `start` and `init`; those of the input beside them. */
export interface StartOptions extends CommonOptions, Readonly<Record<string, unknown>> {
  readonly source: string;
  readonly target: string;
  readonly id?: string;
  readonly watch?: boolean;
  readonly wait: boolean;
}

/** Questions without an answer, of some 10 s each. */
const PATIENCE = 3;

/**
 * `csm start`: returns once the migration has got over its preflight.
 * @throws CliError noWorker when nobody tells whether it has
 */
export async function start(namespaces: readonly string[], options: StartOptions): Promise<void> {
  const order = startOrder(namespaces, options);
  const context = await openContext(options);
  await run(context, order, options, untilAnswered(isBegun));
}

/** All is dumped; somebody may have sent `restore` before. */
const DUMPED: readonly (string | undefined)[] = ['waiting', 'replaying', 'ready', 'cuttingOver'];

/** `csm init <source> <target> <db> <collection>`: the first half of the former scripts. */
export async function init(
  source: string,
  target: string,
  db: string,
  collection: string,
  options: Omit<StartOptions, 'source' | 'target'>,
): Promise<void> {
  const all = { ...options, source, target } as StartOptions;
  const order = collectionOrder(`${db}.${collection}`, all, { restore: 'signal' });
  const context = await openContext(options);
  const isDumped = (view: View) => DUMPED.includes(phaseOf(view));
  await run(context, order, all, untilAnswered(isBegun, isDumped));
  const names = [target, db, collection].map(quoted).join(' ');
  if (!options.watch) context.output.say(`part two is: csm sync ${names}`);
}

async function run(
  { session, output }: Context,
  { type, workflowId, input, summary, details }: StartOrder,
  { wait, watch }: StartOptions,
  until: (view: View) => boolean,
): Promise<void> {
  // Nobody would take it up, and nobody would notice.
  if (wait) await requireWorker(session);
  const handle = await session
    .call(() =>
      session.client.workflow.start(type, {
        taskQueue: TASK_QUEUE,
        workflowId,
        args: [input],
        staticSummary: summary,
        staticDetails: details,
      }),
    )
    .catch((error: unknown) => {
      throw error instanceof WorkflowExecutionAlreadyStartedError ? exists(workflowId) : error;
    });
  output.say(`started ${workflowId}`);
  const name = nameOf(workflowId);
  output.onInterrupt(
    `the migration goes on: csm status ${name} --watch; to end it: csm abort ${name}`,
  );
  const followed = { workflowId, runId: handle.firstExecutionRunId };
  if (!wait) {
    output.data(followed);
    output.say(`see it with: csm status ${name} --watch`);
    return;
  }
  const view = await follow(session, output, {
    ...followed,
    ...(!watch && { until }),
    everyAnswer: watch ?? false,
  });
  if (!watch) output.data(view);
  if (!output.isLive) output.say(...renderView(view, output));
  requireGoodEnd(view);
  if (!watch) requireAnswer(view);
  if (view.state === 'running') output.say(`go on watching with: csm status ${name} --watch`);
}

/**
 * Whether the preflight is over and was good. One that has just failed may still be running for Temporal: that
 * it has ended is what to wait for.
 */
export function isBegun(view: View): boolean {
  const phase = phaseOf(view);
  return phase !== undefined && phase !== 'preflight' && !isFinal(phase);
}

/**
 * Whether it is far enough, or nobody has answered several times before it had begun: a command does not wait for a
 * worker, but for one that is busy. What has begun goes on when a worker is back.
 */
export function untilAnswered(
  hasBegun: (view: View) => boolean,
  isFar = hasBegun,
): (view: View) => boolean {
  let silent = 0;
  let isKnown = false;
  return (view) => {
    silent = view.noAnswer === null ? 0 : silent + 1;
    isKnown ||= hasBegun(view);
    return isFar(view) || (!isKnown && silent >= PATIENCE);
  };
}

/** @throws CliError noWorker where it is not known whether it has begun */
export function requireAnswer({ workflowId, noAnswer }: View): void {
  if (noAnswer === null) return;
  throw new CliError(
    'noWorker',
    `${workflowId} is started, but nobody answers for it yet: whether it may begin is not known`,
    { todo: [`look again with: csm status ${nameOf(workflowId)} --watch`, FIND_WORKER] },
  );
}

function phaseOf(view: View): Phase | undefined {
  return isMigration(view) || isGroup(view) ? view.status?.phase : undefined;
}

/** Says that a workflow of this id runs already. */
export function exists(id: string): CliError {
  return new CliError('refused', `${id} is running already`, {
    todo: [`see it with: csm status ${nameOf(id)}`],
  });
}
