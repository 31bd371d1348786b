import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  type WorkflowHandle,
} from '@temporalio/client';
import type { GroupInspection, Inspection } from '../../inspection.js';
import { TASK_QUEUE } from '../../names.js';
import { CliError } from '../cli-error.js';
import { bytes, count, duration, number } from '../format.js';
import type { Output } from '../output.js';
import { row, rowsOf } from '../render-migration.js';
import type { Session } from '../session.js';
import { startOrder } from '../start-order.js';
import { askWorker, requireWorker } from '../workers.js';
import { type CommonOptions, openContext } from './context.js';
import { exists } from './start.js';
import { summaryOf } from '../../static-details.js';

/** Options of `preflight`; those of the input beside them. */
export interface PreflightOptions extends CommonOptions, Readonly<Record<string, unknown>> {
  readonly source: string;
  readonly target: string;
}

/** `csm preflight`: what a migration would meet. @throws CliError refused when it would not begin */
export async function preflight(
  namespaces: readonly string[],
  options: PreflightOptions,
): Promise<void> {
  const { input, workflowId, summary } = startOrder(namespaces, options, { takesId: false });
  const { session, output } = await openContext(options);
  output.onInterrupt('nobody waits for the answer any more; nothing is written in any case');
  output.show(['looking at both sides; nothing is written']);
  const id = workflowId.replace(/^[^:]*/, 'preflight');
  const inspection = await inspect<Inspection | GroupInspection>(session, {
    workflowId: id,
    input,
    summary: `looks at ${summary}`,
  });
  output.data(inspection);
  const lines =
    'collections' in inspection
      ? renderGroupInspection(inspection, output)
      : renderInspection(inspection, output);
  output.say(...lines);
  const { errors, mayStart } = inspection;
  if (mayStart) return;
  const all = errors.length + notShown(inspection);
  throw new CliError('refused', `a migration would not begin: ${count(all, 'error')}`, {
    facts: { errors },
  });
}

/** A look at both sides by the workflow `preflight`. */
interface Look {
  readonly workflowId: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** What is shown beside its id in Temporal's UI. */
  readonly summary: string;
}

/** Runs the workflow `preflight`. @throws CliError with what kept it from looking */
export async function inspect<Found extends Inspection | GroupInspection = Inspection>(
  session: Session,
  { workflowId, input, summary }: Look,
): Promise<Found> {
  await requireWorker(session);
  try {
    const handle = await session.call(() =>
      session.client.workflow.start('preflight', {
        taskQueue: TASK_QUEUE,
        workflowId,
        args: [input],
        staticSummary: summaryOf(summary),
      }),
    );
    await requireTaken(session, handle);
    return (await handle.result()) as Found;
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

/** Errors that have no room in an answer; a worker of another version may not tell. */
function notShown(inspection: Inspection | GroupInspection): number {
  return 'errorsNotShown' in inspection ? inspection.errorsNotShown : 0;
}

/** What patterns stand for, and what speaks against moving it, as lines. */
export function renderGroupInspection(
  inspection: GroupInspection,
  { colors }: Pick<Output, 'colors'>,
): string[] {
  const { mayStart, collections, leftOut, errors, warnings } = inspection;
  const more = notShown(inspection);
  const all = collections.reduce((sum, { documents = 0 }) => sum + documents, 0);
  const size = collections.reduce((sum, each) => sum + (each.bytes ?? 0), 0);
  const found = collections.map((each) => {
    const { namespace, targetNamespace } = each;
    const renamed = namespace === targetNamespace ? '' : ` → ${targetNamespace}`;
    return `${namespace}${renamed}: ${sizeOf(each)}`;
  });
  return [
    colors.bold(mayStart ? colors.green('may start') : colors.red('may not start')),
    ...(mayStart
      ? row(
          'all',
          `${count(collections.length, 'collection')}, ${number(all)} documents, ${bytes(size)}`,
        )
      : []),
    ...rowsOf('found', found),
    ...rowsOf(
      'left out',
      leftOut.map(({ namespace, why }) => `${namespace} ${why}`),
    ),
    ...rowsOf(
      'error',
      [...errors, ...(more > 0 ? [`and ${number(more)} more`] : [])].map((each) =>
        colors.red(each),
      ),
    ),
    ...rowsOf(
      'warning',
      warnings.map((each) => colors.yellow(each)),
    ),
  ];
}

function sizeOf({
  documents,
  bytes: size = 0,
  openedAt,
}: GroupInspection['collections'][number]): string {
  if (openedAt !== undefined) return `cut over at ${openedAt}, not done again`;
  return documents === undefined
    ? 'not looked at'
    : `${number(documents)} documents, ${bytes(size)}`;
}

/** An inspection as lines. */
export function renderInspection(
  inspection: Inspection,
  { colors }: Pick<Output, 'colors'>,
): string[] {
  const { mayStart, errors, warnings, source, target, disk, tools, estimatedCopyHours, found } =
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
    ...(tools === undefined ? [] : row('tools', tools)),
    ...errors.flatMap(({ code, message }) => row('error', `${colors.red(message)} (${code})`)),
    ...warnings.flatMap(({ code, message }) =>
      row('warning', `${colors.yellow(message)} (${code})`),
    ),
  ];
}
