import { setTimeout as sleep } from 'node:timers/promises';
import { CopySpeed } from './copy-speed.js';
import { describeKnown } from './find-migration.js';
import { duration, moment, number } from './format.js';
import { describeCounts } from './group-lines.js';
import type { Output } from './output.js';
import { Reading } from './reading.js';
import { renderComparison } from './render-comparison.js';
import { renderCollections, renderGroup } from './render-group.js';
import { phaseWord, renderMigration, renderUnanswered } from './render-migration.js';
import type { Session } from './session.js';
import { isComparison, isGroup, isMigration, readView, type View } from './view.js';

const EVERY_MS = 1_000;
/** Without a terminal, how things stand is written this often when nothing has changed. */
const LINE_EVERY_MS = 10_000;

/** What is followed, and until when. */
export interface FollowOptions {
  readonly workflowId: string;
  readonly runId: string;
  /** Far enough; the end of the workflow is always. */
  readonly until?: (view: View) => boolean;
  /** Print each answer with `--json`, one a line; otherwise the caller prints the last one. */
  readonly everyAnswer?: boolean;
}

/**
 * Shows how a workflow goes on until it is over or far enough. What cannot be read now is said and
 * tried again: a watch outlives restarts of workers and of Temporal.
 * @returns the last view, still shown
 */
export async function follow(
  session: Session,
  output: Output,
  { workflowId, runId, until = () => false, everyAnswer = false }: FollowOptions,
): Promise<View> {
  const speed = new CopySpeed();
  const lines = new PlainLines(output);
  const read = new Reading(output);
  for (;;) {
    const view = await read.once(async () =>
      readView(session, await describeKnown(session, workflowId, runId)),
    );
    if (view) {
      const copyPerSecond = speed.perSecond(copiedIn(view), performance.now());
      if (everyAnswer) output.data(view, { lines: true });
      output.show([...renderLive(view, output, copyPerSecond), footer(output)]);
      lines.write(view, copyPerSecond);
      if (view.state !== 'running' || until(view)) {
        output.show(renderView(view, output));
        output.keep();
        return view;
      }
    }
    await sleep(EVERY_MS);
  }
}

/** A workflow as lines, whichever it is. */
export function renderView(view: View, output: Output, copyPerSecond = 0): string[] {
  if (isMigration(view)) return renderMigration(view, output, { copyPerSecond });
  if (isGroup(view)) return renderGroup(view, output, { copyPerSecond });
  return isComparison(view) ? renderComparison(view, output) : renderUnanswered(view, output);
}

/** The same while somebody looks on: of a group, its collections too, as many as the terminal has room for. */
export function renderLive(view: View, output: Output, copyPerSecond = 0): string[] {
  if (!output.isLive || !isGroup(view) || !view.status) {
    return renderView(view, output, copyPerSecond);
  }
  const lines = renderGroup(view, output, { copyPerSecond, hasTable: true });
  // An empty line before the table, the footer below it, and the line of the cursor.
  const room = output.rows - output.heightOf(lines) - 3;
  const table = renderCollections(view.status, output, room);
  return table.length > 0 ? [...lines, '', ...table] : lines;
}

/** Documents that a migration has copied, for its speed. */
export function copiedIn(view: View): number {
  return isMigration(view) || isGroup(view) ? (view.status?.copied.documents ?? 0) : 0;
}

/** The last line of everything that is watched. */
export function footer({ colors }: Output): string {
  return colors.dim('Ctrl-C ends this watch and nothing else');
}

/** Plain lines about one workflow: at once when something has changed, else now and then. */
class PlainLines {
  readonly #output: Output;
  #last = '';
  #at = Number.NEGATIVE_INFINITY;

  constructor(output: Output) {
    this.#output = output;
  }

  write(view: View, copyPerSecond: number): void {
    if (this.#output.isLive) return;
    const state = stateLine(view);
    const isNews = state !== this.#last;
    if (!isNews && performance.now() - this.#at < LINE_EVERY_MS) return;
    this.#last = state;
    this.#at = performance.now();
    const far = progressLine(view, copyPerSecond);
    this.#output.say(`${moment(new Date().toISOString())}  ${state}${far}`);
  }
}

/** What is worth a line as soon as it changes. */
function stateLine({ status, state, noAnswer }: View): string {
  if (!status) return noAnswer ?? state;
  const [problem] = 'problems' in status ? status.problems : [status.problem];
  const isPaused = 'paused' in status && status.paused;
  const whose = problem && 'namespace' in problem ? `${problem.namespace}: ` : '';
  const trouble = problem ? `, problem: ${whose}${problem.what}` : '';
  return `${phaseWord(status)}${isPaused ? ' (paused)' : ''}${trouble}`;
}

function progressLine({ status }: View, copyPerSecond: number): string {
  if (!status) return '';
  if (!('copied' in status)) {
    const { percent, compared, documentsPerSecond } = status;
    const rate = documentsPerSecond === null ? '' : ` at ${number(documentsPerSecond)}/s`;
    return `: ${percent ?? 0} %, ${number(compared.source.documents)} documents${rate}`;
  }
  const { copiedPercent, copied, total, lagSeconds, etaSeconds } = status;
  const rate = copyPerSecond > 0 ? ` at ${number(copyPerSecond)}/s` : '';
  const lag = lagSeconds === null ? '' : `, lag ${duration(lagSeconds)}`;
  const eta = etaSeconds === null ? '' : `, ${duration(etaSeconds)} left`;
  const isGroups = 'counts' in status;
  const before = isGroups && status.counts.all > 0 ? `${describeCounts(status)}; ` : '';
  const compared = isGroups ? '' : `, compared ${number(status.verification.documents)}`;
  return (
    `: ${before}copied ${copiedPercent ?? 0} % (${number(copied.documents)} of ${number(total.documents)})${rate}` +
    `${compared}${lag}${eta}`
  );
}
