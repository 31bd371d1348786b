import { writeNames } from '../arguments.js';
import { count, quoted } from '../format.js';
import { CliError } from '../cli-error.js';
import { findMigration } from '../find-migration.js';
import { DEFAULT_SOURCE, nameOf, withSource } from '../next-step.js';
import { send } from '../send.js';
import { migrationTypes } from '../../names.js';
import { readInput } from '../workflow-list.js';
import { type Context, openContext } from './context.js';
import { type MessageOptions, requireRunning } from './messages.js';

/** `csm retry`: begins collections of a group anew that have ended without a cutover. */
export async function retry(
  group: string,
  namespaces: readonly string[],
  { source, ...options }: MessageOptions,
): Promise<void> {
  const context = await openContext(options);
  const { session, output } = context;
  const found = await findMigration(session, group, source, migrationTypes);
  const { workflowId, runId, type } = found;
  if (type !== 'migrateCollections') throw await notGroup(context, workflowId, runId);
  requireRunning(found, 'retry');
  const answer = await send<{ readonly retrying: readonly string[] }>(session, output, {
    workflowId,
    runId,
    name: 'retry',
    payload: namespaces.length > 0 ? { namespaces } : {},
  });
  output.data({ workflowId, runId, answer });
  const { retrying } = answer;
  output.say(
    `${count(retrying.length, 'collection')} of ${workflowId} ${retrying.length === 1 ? 'begins' : 'begin'} anew: ${retrying.join(', ')}`,
    `see it with: csm status ${nameOf(workflowId)} --watch`,
  );
}

/** Somebody has named a collection and not its group. */
async function notGroup({ session }: Context, id: string, runId: string): Promise<CliError> {
  const input = await readInput(session, id, runId);
  const { namespace = id, source = DEFAULT_SOURCE } = input ?? {};
  const name = withSource(quoted(writeNames([namespace])), source);
  const todo =
    input?.group === undefined
      ? `once it has ended, start it again: csm start ${name}`
      : `csm retry ${nameOf(input.group)} ${input.namespace}`;
  return new CliError('usage', `${id} is a migration of one collection; retry is for groups`, {
    todo: [todo],
  });
}
