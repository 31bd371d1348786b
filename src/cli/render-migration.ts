import { countDifferences } from '../blockers.js';
import type { MigrationStatus } from '../workflows/status.js';
import { isFinal } from '../workflows/phases.js';
import { bar, bytes, count, duration, moment, number } from './format.js';
import { describeBlockers, describePlan, nextStep } from './next-step.js';
import { HANG, type Output } from './output.js';
import { describeLimits } from './render-settings.js';
import type { AnyStatus, MigrationView, Underway, View } from './view.js';

/** What a rendering needs to know of where it goes. */
export type Screen = Pick<Output, 'isLive' | 'columns' | 'colors'>;

/** What one answer cannot tell. */
export interface Extras {
  /** Documents copied per second, from two answers. */
  readonly copyPerSecond?: number;
  /** A table of a group's collections stands below. */
  readonly hasTable?: boolean;
}

/** Bytes per second by which a buffer without a limit has to grow to be worth a line. */
const SHOWN_GROWTH = 1_000_000;
const LABEL = 11;
/** Columns below which bars are short, so that what they are about fits beside them. */
const NARROW = 76;
const WIDE = 90;

/** A migration as lines: what, where, how far, how fast, what hinders, what next. */
export function renderMigration(
  view: MigrationView,
  screen: Screen,
  extras: Extras = {},
): string[] {
  const { status } = view;
  if (!status) return renderUnanswered(view, screen);
  return [
    headline(view, status, screen),
    ...progress(view.state !== 'running', status, screen, extras),
    ...outcome(status),
    ...hindrances(view, status, screen),
    ...following(view, screen),
  ];
}

/** A workflow of which nobody tells more than Temporal itself knows. */
export function renderUnanswered(view: View, { colors }: Screen): string[] {
  const { workflowId, state, startedAt, endedAt, noAnswer, failure, underway } = view;
  const when = endedAt === null ? `since ${moment(startedAt)}` : `ended ${moment(endedAt)}`;
  return [
    `${colors.bold(workflowId)}  ${paint(state, state, colors)}, ${when}`,
    ...(noAnswer === null ? [] : row('answer', colors.yellow(noAnswer))),
    ...(failure === null ? [] : row('failure', colors.red(failure))),
    ...underway.flatMap((each) => row(each.activity, describeUnderway(each))),
  ];
}

function describeUnderway({ attempt, lastHeartbeat, lastFailure }: Underway): string {
  const heard = lastHeartbeat === null ? '' : `, last heard of ${moment(lastHeartbeat)}`;
  const why = lastFailure === null ? '' : `; the attempt before failed: ${lastFailure}`;
  return `attempt ${attempt}${heard}${why}`;
}

function headline(view: MigrationView, status: MigrationStatus, { colors }: Screen): string {
  const { source, namespace, target, targetNamespace } = status;
  const flags = [status.paused ? 'paused' : '', status.stalled ? 'stalled' : ''].filter(Boolean);
  const phase = view.state === 'terminated' ? 'terminated' : phaseWord(status);
  const noted = flags.length > 0 ? colors.yellow(` (${flags.join(', ')})`) : '';
  const pair = `${source}:${namespace} → ${target}:${targetNamespace}`;
  return `${colors.bold(pair)}  ${paint(phase, phase, colors)}${noted}`;
}

/** The phase in a word: once all is copied, it is the indexes that are worked at. Of a group, the counts say so. */
export function phaseWord(status: AnyStatus): string {
  const isIndexing =
    'indexBuild' in status && status.phase === 'copying' && status.copiedPercent === 100;
  return isIndexing ? 'indexing' : status.phase;
}

/** Green for what is well, red for what has failed. */
export function paint(text: string, phase: string, colors: Screen['colors']): string {
  if (['failed', 'terminated', 'timedOut'].includes(phase)) return colors.red(text);
  if (['aborted', 'canceled', 'waiting'].includes(phase)) return colors.yellow(text);
  return ['ready', 'completed'].includes(phase) ? colors.green(text) : colors.cyan(text);
}

function progress(
  isOver: boolean,
  status: MigrationStatus,
  screen: Screen,
  extras: Extras,
): string[] {
  const { captured, applied, lagSeconds, buffer, oplogHoursLeft } = status;
  const limits = isOver ? [] : limitsOf(status);
  const waiting =
    buffer && buffer.documents > 0 ? `, ${number(buffer.documents)} in the buffer` : '';
  const rate = (perSecond: number) => (isOver ? '' : ` (${number(perSecond)}/s)`);
  return [
    ...copyRow(status, screen, extras),
    ...restartRow(status),
    ...compareRow(status, screen),
    ...(limits.length > 0 ? row('limits', limits.join('; ')) : []),
    ...(captured && applied
      ? row(
          'changes',
          `${number(captured.events)} captured${rate(captured.eventsPerSecond)}, ` +
            `${number(applied.changes)} applied${rate(applied.changesPerSecond)}${waiting}`,
        )
      : []),
    ...(isOver ? [] : bufferRow(status)),
    ...(isOver || lagSeconds === null ? [] : row('lag', duration(lagSeconds))),
    ...(isOver || oplogHoursLeft === null
      ? []
      : row('history', `${historyLeft(oplogHoursLeft)} left at the source`)),
  ];
}

/** A worker of another version may not tell. */
function restartRow({ restarts }: Partial<MigrationStatus>): string[] {
  if (!restarts) return [];
  const { count: times, at } = restarts;
  return row('restarted', `${times === 1 ? 'at' : `${times} times, last at`} ${moment(at)}`);
}

/** How full the buffer is, where it has a limit or grows. */
function bufferRow({ buffer }: MigrationStatus): string[] {
  // A worker of another version may not tell.
  const { limitBytes = null, bytesPerSecond = null, fullInSeconds = null } = buffer ?? {};
  if (!buffer || (limitBytes === null && (bytesPerSecond ?? 0) < SHOWN_GROWTH)) return [];
  const limit = limitBytes === null ? '' : ` of at most ${bytes(limitBytes)}`;
  const growth =
    bytesPerSecond !== null && bytesPerSecond > 0 ? `, grows by ${bytes(bytesPerSecond)}/s` : '';
  const until = fullInSeconds === null ? '' : `, full in ${duration(fullInSeconds)}`;
  const isFull = buffer.fullSince != null;
  return row('buffer', `${bytes(buffer.bytes)}${limit}${isFull ? ', full' : `${growth}${until}`}`);
}

/** Limits that matter at the moment. */
export function limitsOf({
  settings,
  copiedPercent,
}: Pick<MigrationStatus, 'settings' | 'copiedPercent'>): string[] {
  // A worker of another version may not tell.
  if (!settings) return [];
  const copy = copiedPercent === 100 ? undefined : describeLimits(settings, 'copy');
  const capture = describeLimits(settings, 'capture');
  const verify = describeLimits(settings, 'verify');
  return [
    ...(copy ? [`copy ${copy}`] : []),
    ...(capture ? [`capture ${capture}`] : []),
    ...(settings.replayBatch ? [`apply at most ${number(settings.replayBatch)} at once`] : []),
    ...(verify ? [`compare ${verify}`] : []),
  ];
}

/** Hours of history in words. The status says 31 days for that or more. */
export function historyLeft(hours: number): string {
  return hours >= 744 ? '31 days or more' : duration(hours * 3600);
}

function copyRow(status: MigrationStatus, screen: Screen, { copyPerSecond = 0 }: Extras): string[] {
  const { copied, total, copiedPercent, phase, etaSeconds } = status;
  if (phase === 'preflight') return row('copy', 'later: both sides are looked at');
  const isCopied = copiedPercent === 100;
  const rate = copyPerSecond > 0 ? `, ${number(copyPerSecond)}/s` : '';
  const eta = etaSeconds === null || phase !== 'copying' ? '' : `, ${duration(etaSeconds)} left`;
  const indexes = phaseWord(status) === 'indexing' ? ', building indexes' : '';
  const documents = isCopied
    ? count(copied.documents, 'document')
    : `${number(copied.documents)} of ${count(total.documents, 'document')}`;
  // A dump is read whole before the first of its documents is written.
  const read =
    copied.documents === 0 && copied.bytes > 0
      ? `, ${bytes(copied.bytes)} of ${bytes(total.bytes)} read`
      : '';
  const fraction = (copiedPercent ?? 0) / 100;
  return row('copy', `${gauge(fraction, screen)}${documents}${read}${rate}${eta}${indexes}`);
}

function compareRow({ verification, total }: MigrationStatus, screen: Screen): string[] {
  const { state, documents, report, catalogue } = verification;
  if (state === 'none') return row('compare', 'not asked for');
  if (state === 'planned') return row('compare', 'later');
  const differing = report ? countDifferences(report) : 0;
  const fraction = state === 'done' ? 1 : total.documents > 0 ? documents / total.documents : 0;
  const found =
    state === 'done' && differing === 0
      ? screen.colors.green('equal')
      : differing === 0
        ? 'so far equal'
        : screen.colors.red(count(differing, 'difference'));
  const shape =
    catalogue === null
      ? ''
      : `, ${count(catalogue.indexes, 'index', 'indexes')} ${catalogue.differences.length === 0 ? 'equal' : 'not equal'}`;
  return [
    ...row(
      'compare',
      `${gauge(fraction, screen)}${count(documents, 'document')}, ${found}${shape}`,
    ),
    ...(report?.first ?? []).slice(0, 3).flatMap(({ id, kind, field, what }) => {
      const where = field === undefined ? '' : `: ${field}${what === undefined ? '' : `, ${what}`}`;
      return row('', `${id} ${kind}${where}`);
    }),
    ...(catalogue?.differences ?? []).flatMap((each) => row('', each)),
  ];
}

/** A bar and its percent on a terminal, the percent alone elsewhere. */
export function gauge(fraction: number, { isLive, columns }: Screen): string {
  const percent = `${Math.floor(Math.min(1, fraction) * 100)} %`;
  if (!isLive) return `${percent}, `;
  const cells = columns < NARROW ? 10 : columns < WIDE ? 16 : 24;
  return `${bar(fraction, cells)} ${percent.padStart(5)}  `;
}

function outcome({ cutover, lateWrites, left, phase }: MigrationStatus): string[] {
  return [
    ...(cutover
      ? row(
          'open',
          `since ${moment(cutover.openedAt)}, ${number(cutover.downtimeMs)} ms after the fence`,
        )
      : []),
    ...(lateWrites && lateWrites.count > 0
      ? row(
          'late',
          `${count(lateWrites.count, 'write')} reached the source after the fence and ${lateWrites.count === 1 ? 'is' : 'are'} not at the target: ${lateWrites.first.join(', ')}`,
        )
      : []),
    ...(left && left.length > 0 && phase !== 'completed' ? row('left', left.join(', ')) : []),
  ];
}

function hindrances(view: MigrationView, status: MigrationStatus, { colors }: Screen): string[] {
  const { problem, warnings, rejectedMessages, lastRefusal } = status;
  const refused = lastRefusal && !status.cutover;
  const ended = view.state === 'terminated' ? 'terminated in Temporal: ' : '';
  const said = view.failure === null ? null : `${ended}${view.failure}`;
  const failure = said ?? (problem ? `${problem.what}; ${problem.todo}` : null);
  return [
    ...(failure === null ? [] : row('problem', colors.red(failure))),
    ...warnings.flatMap((each) => row('warning', colors.yellow(each))),
    ...rejectedMessages.flatMap(({ at, message }) =>
      row('message', colors.yellow(`not understood at ${moment(at)}: ${message}`)),
    ),
    ...(refused
      ? row(
          'refused',
          `the cutover of ${moment(lastRefusal.at)}: ${lastRefusal.blockers.map(({ message }) => message).join('; ')}`,
        )
      : []),
  ];
}

function following(view: MigrationView, { colors }: Screen): string[] {
  const { status } = view;
  if (!status || isFinal(status.phase) || status.cutover || view.state !== 'running') return [];
  const next = nextStep(view);
  const plan = describePlan(status);
  const planned = plan === undefined ? [] : row('planned', plan);
  if (status.mayCutOver) {
    const group = view.input?.group;
    const together = group === undefined ? '' : `, it comes with ${group}`;
    const free = row('cutover', colors.green(`nothing speaks against it${together}`));
    return [...free, ...planned, ...nextRow(next)];
  }
  // Before the copy is done there is only one thing to say: not yet.
  const isEarly = ['preflight', 'copying', 'waiting'].includes(status.phase) && !status.paused;
  const why = isEarly ? ['not yet'] : describeBlockers(status.blockers, view.workflowId);
  return [...rowsOf('cutover', why), ...planned, ...nextRow(next)];
}

function nextRow(next: string | undefined): string[] {
  return next === undefined ? [] : row('next', next);
}

/** A label and what it says. */
export function row(label: string, text: string): string[] {
  return [`  ${label.padEnd(LABEL)} ${HANG}${text}`];
}

/** Several lines under one label. */
export function rowsOf(label: string, texts: readonly string[]): string[] {
  return texts.flatMap((text, index) => row(index === 0 ? label : '', text));
}
