import type { WorkflowExecutionDescription } from '@temporalio/client';
import { CliError } from '../cli-error.js';
import { count } from '../format.js';
import { findMigration } from '../find-migration.js';
import { follow, renderView } from '../follow.js';
import { nameOf } from '../next-step.js';
import { type Message, send, tooLate } from '../send.js';
import { wrongQueue } from '../workers.js';
import { migrationTypes } from '../../names.js';
import { type CommonOptions, type Context, openContext } from './context.js';

/** Options of the commands that send something to a migration. */
export interface MessageOptions extends CommonOptions {
  readonly source: string;
  readonly reason?: string;
  /** Do not ask. */
  readonly yes?: boolean;
}

/** Options of `abort`. */
export interface AbortOptions extends MessageOptions {
  readonly dropTarget?: boolean;
  readonly wait: boolean;
}

const SAID = {
  pause: 'is paused: copy, replay and comparison stand still, changes are still captured',
  resume: 'goes on',
  restore: 'goes on with the restore',
  restart: 'copies anew: what it has copied is discarded, changes are still captured',
} as const;

/** `csm pause`, `csm resume`, `csm restore` and `csm restart`. */
export async function message(
  name: keyof typeof SAID,
  migration: string,
  { source, reason, yes, ...options }: MessageOptions,
): Promise<void> {
  const context = await openContext(options);
  const { isGroup, ...to } = await addressOf(context, migration, source, name);
  if (name === 'restart' && isGroup) {
    throw new CliError(
      'usage',
      `${to.workflowId} is a group; restart is for one collection of it`,
      {
        todo: [`csm restart <namespace>; which there are: csm status ${nameOf(to.workflowId)}`],
      },
    );
  }
  if (name === 'restart') {
    await confirm(context, yes, `Discard what ${to.workflowId} has copied, and copy it again?`);
  }
  const payload = reason === undefined ? {} : { reason };
  const answer = await send<{ readonly collections?: number }>(context.session, context.output, {
    ...to,
    name,
    payload,
  });
  context.output.data({ ...to, answer });
  const { collections } = answer;
  const told = isGroup && collections !== undefined ? ` (${count(collections, 'collection')})` : '';
  context.output.say(`${to.workflowId} ${SAID[name]}${told}`);
  context.output.say(`see it with: csm status ${nameOf(to.workflowId)} --watch`);
}

/** `csm abort`: ends a migration and waits until it has cleaned up. */
export async function abort(
  migration: string,
  { source, reason, dropTarget = false, yes, wait, ...options }: AbortOptions,
): Promise<void> {
  const context = await openContext(options);
  const { session, output } = context;
  const { isGroup, ...to } = await addressOf(context, migration, source, 'abort');
  const what = dropTarget
    ? `and drop its target collection${isGroup ? 's' : ''}`
    : `and remove what it has copied so far${isGroup ? ', of all its collections' : ''}, but for a target ` +
      'collection that has its name already';
  await confirm(context, yes, `Abort ${to.workflowId} ${what}?`);
  const payload = { dropTarget, ...(reason !== undefined && { reason }) };
  await send(session, output, { ...to, name: 'abort', payload });
  output.say(`${to.workflowId} is being aborted`);
  if (!wait) {
    output.data(to);
    return;
  }
  output.onInterrupt('the clean-up goes on');
  const view = await follow(session, output, to);
  output.data(view);
  if (!output.isLive) output.say(...renderView(view, output));
  if (view.state === 'aborted') return;
  throw new CliError('ended', `${to.workflowId} was not aborted, it is ${view.state}`);
}

/** A migration that something is sent to. */
export type Address = Pick<Message, 'workflowId' | 'runId'> & { readonly isGroup: boolean };

/**
 * The migration that is meant.
 * @param name what is to be sent.
 * @throws CliError notFound, usage, or refused where it is over
 */
export async function addressOf(
  { session }: Context,
  migration: string,
  source: string,
  name: Message['name'],
): Promise<Address> {
  const found = await findMigration(session, migration, source, migrationTypes);
  requireRunning(found, name);
  const { workflowId, runId, type } = found;
  return { workflowId, runId, isGroup: type === 'migrateCollections' };
}

/** No worker is asked for what has ended, or waits where none is. @throws CliError refused, or noWorker */
export function requireRunning(found: WorkflowExecutionDescription, name: Message['name']): void {
  if (found.closeTime !== undefined) throw tooLate(name, found.workflowId);
  const wrong = wrongQueue(found);
  if (wrong) throw wrong;
}

/** @throws CliError failure when somebody is asked and does not want it */
export async function confirm(
  { output }: Context,
  yes: boolean | undefined,
  question: string,
): Promise<void> {
  if (yes || !output.canAsk || (await output.confirm(question))) return;
  throw new CliError('failure', 'nothing was done');
}
