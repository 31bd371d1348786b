import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  type WorkflowHandle,
} from '@temporalio/client';
import type { Inspection } from '../../inspection.js';
import { TASK_QUEUE } from '../../names.js';
import { migrateCollectionInput, parseMigrateCollection } from '../../options.js';
import { CliError } from '../cli-error.js';
import { bytes, count, duration, number, quoted } from '../format.js';
import { inputFrom } from '../migration-options.js';
import type { Output } from '../output.js';
import { requirePlain } from '../patterns.js';
import { row } from '../render-migration.js';
import type { Session } from '../session.js';
import { askWorker, requireWorker } from '../workers.js';
import { type CommonOptions, openContext } from './context.js';
import { exists } from './start.js';

/** Options of `preflight`; those of the input beside them. */
export interface PreflightOptions extends CommonOptions, Readonly<Record<string, unknown>> {
  readonly source: string;
  readonly target: string;
}

/** `csm preflight`: what a migration would meet. @throws CliError refused when it would not begin */
export async function preflight(given: string, options: PreflightOptions): Promise<void> {
  const namespace = requirePlain(given, 'preflight looks at', [
    `csm start ${quoted(given)} looks at all that it matches before anything is written`,
  ]);
  const input = { ...inputFrom(migrateCollectionInput.shape, options), namespace };
  const parsed = parseMigrateCollection(input, 'preflight');
  if ('error' in parsed) throw new CliError('usage', parsed.error);
  const { session, output } = await openContext(options);
  output.onInterrupt('nobody waits for the answer any more; nothing is written in any case');
  output.show(['looking at both sides; nothing is written']);
  const inspection = await inspect(session, `preflight:${options.source}:${namespace}`, input);
  output.data(inspection);
  output.say(...renderInspection(inspection, output));
  const { errors, mayStart } = inspection;
  if (mayStart) return;
  throw new CliError('refused', `a migration would not begin: ${count(errors.length, 'error')}`, {
    facts: { errors },
  });
}

/** Runs the workflow `preflight`. @throws CliError with what kept it from looking */
export async function inspect(
  session: Session,
  workflowId: string,
  input: Readonly<Record<string, unknown>>,
): Promise<Inspection> {
  await requireWorker(session);
  try {
    const handle = await session.call(() =>
      session.client.workflow.start('preflight', {
        taskQueue: TASK_QUEUE,
        workflowId,
        args: [input],
      }),
    );
    await requireTaken(session, handle);
    return (await handle.result()) as Inspection;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) throw exists(workflowId);
    if (!(error instanceof WorkflowFailedError)) throw error;
    throw new CliError('ended', error.cause?.message ?? error.message);
  }
}

/** Every workflow of the SDK answers this query; a worker that has just ended may still look alive. */
const OWN_QUERY = '__temporal_workflow_metadata';

/** @throws CliError noWorker when none takes it up; it is ended then, so that none does so later */
async function requireTaken(session: Session, handle: WorkflowHandle): Promise<void> {
  try {
    await askWorker(session, () => handle.query(OWN_QUERY));
  } catch (error) {
    if (error instanceof CliError) {
      await session.call(() => handle.terminate('no worker has taken it up; csm does not wait'));
    }
    throw error;
  }
}

/** An inspection as lines. */
export function renderInspection(
  inspection: Inspection,
  { colors }: Pick<Output, 'colors'>,
): string[] {
  const { mayStart, errors, warnings, source, target, disk, estimatedCopyHours, found } =
    inspection;
  const verdict = mayStart ? colors.green('may start') : colors.red('may not start');
  return [
    colors.bold(verdict),
    ...(source
      ? row(
          'source',
          `MongoDB ${source.version}, ${source.topology}: ${number(source.documents)} documents, ` +
            `${bytes(source.bytes)}, ${count(found.indexes, 'index', 'indexes')}`,
        )
      : []),
    ...(target ? row('target', `MongoDB ${target.version}, ${target.topology}`) : []),
    ...(source
      ? row(
          'time',
          `about ${duration(estimatedCopyHours * 3600)} to copy` +
            (source.oplogHours === undefined
              ? ''
              : `; ${source.oplogAtLeast ? 'more than ' : ''}${duration(source.oplogHours * 3600)} of history at the source`),
        )
      : []),
    ...(disk
      ? row(
          'disk',
          `${bytes(disk.neededBytes)} needed of ${bytes(disk.freeBytes)} free in ${disk.folder}`,
        )
      : []),
    ...errors.flatMap(({ code, message }) => row('error', `${colors.red(message)} (${code})`)),
    ...warnings.flatMap(({ code, message }) =>
      row('warning', `${colors.yellow(message)} (${code})`),
    ),
  ];
}
