import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { migrateCollectionInput, parseMigrateCollection } from '../../options.js';
import { TASK_QUEUE, workflowId } from '../../names.js';
import { CliError } from '../cli-error.js';
import { requireGoodEnd } from '../ending.js';
import { follow, renderView } from '../follow.js';
import { quoted } from '../format.js';
import { inputFrom } from '../migration-options.js';
import { nameOf } from '../next-step.js';
import { isMigration, type View } from '../view.js';
import { requireWorker } from '../workers.js';
import { type CommonOptions, type Context, openContext } from './context.js';

/** Options of `start` and `init`; those of the input beside them. */
export interface StartOptions extends CommonOptions, Readonly<Record<string, unknown>> {
  readonly source: string;
  readonly target: string;
  readonly id?: string;
  readonly watch?: boolean;
  readonly wait: boolean;
}

/** `csm start`: returns once the migration has got over its preflight. */
export async function start(namespace: string, options: StartOptions): Promise<void> {
  const input = checkedInput({ ...inputFrom(migrateCollectionInput.shape, options), namespace });
  const context = await openContext(options);
  const isBegun = (view: View) => phaseOf(view) !== 'preflight';
  await run(context, input, options, options.watch ? () => false : isBegun);
}

/** `csm init <source> <target> <db> <collection>`: the first half of the former scripts. */
export async function init(
  source: string,
  target: string,
  db: string,
  collection: string,
  options: Omit<StartOptions, 'source' | 'target'>,
): Promise<void> {
  const all = { ...options, source, target } as StartOptions;
  const given = inputFrom(migrateCollectionInput.shape, all);
  const namespace = `${db}.${collection}`;
  const input = checkedInput({ ...given, namespace, restore: 'signal' });
  const context = await openContext(options);
  await run(context, input, all, (view) => phaseOf(view) === 'waiting');
  const names = [target, db, collection].map(quoted).join(' ');
  if (!options.watch) context.output.say(`part two is: csm sync ${names}`);
}

/** Checked here, so that a mistake never reaches Temporal. @throws CliError usage */
function checkedInput(input: Record<string, unknown>): Record<string, unknown> {
  const parsed = parseMigrateCollection(input);
  if ('value' in parsed) return input;
  throw new CliError('usage', parsed.error);
}

async function run(
  { session, output }: Context,
  input: Record<string, unknown>,
  { id, wait, watch }: StartOptions,
  until: (view: View) => boolean,
): Promise<void> {
  const source = String(input['source']);
  const namespace = String(input['namespace']);
  const given = id ?? workflowId(source, namespace);
  // Nobody would take it up, and nobody would notice.
  if (wait) await requireWorker(session);
  const handle = await session
    .call(() =>
      session.client.workflow.start('migrateCollection', {
        taskQueue: TASK_QUEUE,
        workflowId: given,
        args: [input],
        staticSummary: `${source}:${namespace} to ${String(input['target'])}`,
      }),
    )
    .catch((error: unknown) => {
      throw error instanceof WorkflowExecutionAlreadyStartedError ? exists(given) : error;
    });
  output.say(`started ${given}`);
  output.onInterrupt(
    `the migration goes on: csm status ${nameOf(given)} --watch; to end it: csm abort ${nameOf(given)}`,
  );
  const followed = { workflowId: given, runId: handle.firstExecutionRunId };
  if (!wait) {
    output.data(followed);
    output.say(`see it with: csm status ${nameOf(given)} --watch`);
    return;
  }
  const view = await follow(session, output, { ...followed, until, everyAnswer: watch ?? false });
  if (!watch) output.data(view);
  if (!output.isLive) output.say(...renderView(view, output));
  requireGoodEnd(view);
  if (view.state === 'running')
    output.say(`go on watching with: csm status ${nameOf(given)} --watch`);
}

function phaseOf(view: View): string | undefined {
  return isMigration(view) ? view.status?.phase : undefined;
}

/** Says that a workflow of this id runs already. */
export function exists(id: string): CliError {
  return new CliError('refused', `${id} is running already`, {
    todo: [`see it with: csm status ${nameOf(id)}`],
  });
}
