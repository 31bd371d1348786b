import { CliError } from '../cli-error.js';
import { requireGoodEnd } from '../ending.js';
import { describe, findByTarget } from '../find-migration.js';
import { follow, renderView } from '../follow.js';
import { nameOf } from '../next-step.js';
import { send } from '../send.js';
import { isMigration, readView, type View } from '../view.js';
import { workflowId } from '../../names.js';
import { type CommonOptions, openContext } from './context.js';
import { requireRunning } from './messages.js';

/** Options of `sync`. */
export interface SyncOptions extends CommonOptions {
  readonly source?: string;
  readonly id?: string;
  readonly watch?: boolean;
  readonly wait: boolean;
}

/** `csm sync <target> <db> <collection>`: the second half of the former scripts. */
export async function sync(
  target: string,
  db: string,
  collection: string,
  options: SyncOptions,
): Promise<void> {
  const { session, output } = await openContext(options);
  const namespace = `${db}.${collection}`;
  const { source } = options;
  const id =
    options.id ??
    (source === undefined
      ? await findByTarget(session, { target, namespace })
      : workflowId(source, namespace));
  const described = await describe(session, id);
  if (!described) {
    throw new CliError('notFound', `there is no migration ${id}`, {
      todo: ['"csm list" shows all that Temporal knows'],
    });
  }
  const before = await readView(session, described);
  requireMeant(before, target, namespace);
  requireGoodEnd(before);
  const { workflowId: given, runId } = before;
  if (isWaiting(before)) {
    requireRunning(described, 'restore');
    await send(session, output, { workflowId: given, runId, name: 'restore', payload: {} });
    output.say(`restore is sent to ${given}`);
  } else output.say(`${given} does not wait for a restore; it is followed`);
  if (!options.wait) {
    output.data({ workflowId: given, runId });
    return;
  }
  const name = nameOf(given);
  output.onInterrupt(`the migration goes on: csm status ${name} --watch`);
  const everyAnswer = options.watch ?? false;
  const until = everyAnswer ? () => false : isReady;
  const view = await follow(session, output, { workflowId: given, runId, until, everyAnswer });
  if (!everyAnswer) output.data(view);
  if (!output.isLive) output.say(...renderView(view, output));
  requireGoodEnd(view);
}

/** @throws CliError usage where the migration is not what the arguments say */
function requireMeant({ type, workflowId: id, input }: View, target: string, namespace: string) {
  if (type !== 'migrateCollection') {
    throw new CliError('usage', `${id} is not a migration of one collection`, {
      todo: ['csm restore <migration>, which takes groups too'],
    });
  }
  if (!input) return;
  const { target: to, namespace: from, targetNamespace = from } = input;
  if (to === target && [from, targetNamespace].includes(namespace)) return;
  throw new CliError(
    'usage',
    `${id} goes to ${to} ${targetNamespace}, not to ${target} ${namespace}`,
    {
      todo: ['"csm list" shows which there are'],
    },
  );
}

/** Nothing is restored yet: it waits, or will wait once all is dumped. */
function isWaiting(view: View): boolean {
  if (!isMigration(view) || !view.status) return view.state === 'running';
  return ['preflight', 'copying', 'waiting'].includes(view.status.phase);
}

/** The end of the workflow is awaited in any case: what has just failed may still be running for Temporal. */
function isReady(view: View): boolean {
  return isMigration(view) && view.status?.phase === 'ready';
}
