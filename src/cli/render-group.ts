import { isFinal } from '../workflows/phases.js';
import { leastFarFirst } from '../workflows/group/least-far.js';
import type { MemberLine } from '../workflows/group/lines.js';
import type { GroupStatus } from '../workflows/group/status.js';
import { bytes, count, duration, moment, number } from './format.js';
import { describeCounts, describeNamespaces } from './group-lines.js';
import { describeBlockers, describePlan, nextStep } from './next-step.js';
import {
  type Extras,
  gauge,
  historyLeft,
  limitsOf,
  paint,
  renderUnanswered,
  row,
  rowsOf,
  type Screen,
} from './render-migration.js';
import { nameCell, rateCell, renderTable, secondsCell } from './table.js';
import type { GroupView } from './view.js';

/** Entries of a list in a summary; `--json` has all that the status has. */
const SHOWN = 5;

/** A migration of many collections as lines: where all of them stand, what hinders, what next. */
export function renderGroup(view: GroupView, screen: Screen, extras: Extras = {}): string[] {
  const { status } = view;
  if (!status) return renderUnanswered(view, screen);
  return [
    headline(view, status, screen),
    ...(status.counts.all === 0
      ? []
      : row('collections', `${number(status.counts.all)}: ${describeCounts(status)}`)),
    ...progress(status, screen, extras),
    ...(extras.hasTable ? [] : slowest(status)),
    ...outcome(status),
    ...notTaken(status),
    ...hindrances(view, status, screen),
    ...following(view, screen),
  ];
}

/**
 * The collections of a group as a table, those first that are least far.
 * @param room rows of the terminal for it, with its head.
 */
export function renderCollections(
  status: GroupStatus,
  { colors, columns }: Pick<Screen, 'colors' | 'columns'>,
  room: number,
): string[] {
  const { collections, collectionsNotShown, counts } = status;
  const isAll = counts.all < room && collectionsNotShown === 0;
  const shown = leastFarFirst(collections).slice(0, Math.max(0, isAll ? room - 1 : room - 2));
  if (shown.length === 0) return [];
  const more = counts.all - shown.length;
  const table = renderTable(
    shown,
    [
      { head: 'COLLECTION', cell: ({ namespace }) => nameCell(namespace, columns) },
      { head: 'PHASE', cell: ({ phase }) => paint(phase, phase, colors) },
      { head: 'COPIED', cell: copiedCell },
      { head: 'RATE', cell: ({ copiedPerSecond }) => rateCell(copiedPerSecond), spare: 3 },
      { head: 'LEFT', cell: ({ etaSeconds }) => secondsCell(etaSeconds), spare: 2 },
      { head: 'COMPARED', cell: (line) => comparedCell(line, status), spare: 4 },
      { head: 'LAG', cell: ({ lagSeconds }) => secondsCell(lagSeconds), spare: 1 },
    ],
    columns,
  );
  return [...table, ...(more > 0 ? [`and ${number(more)} more`] : [])];
}

/** How far one of a group's collections is compared, in a cell of a table. */
export function comparedCell(
  { phase, comparedPercent, differing = 0, uncompared, lagSeconds }: MemberLine,
  // A worker of another version may not tell.
  { verification }: Partial<Pick<GroupStatus, 'verification'>>,
): string {
  if (differing > 0) return `${number(differing)} differ`;
  if (comparedPercent !== undefined) return `${comparedPercent} %`;
  if (!verification || verification.state === 'none' || uncompared) return '';
  // Whether it is equal still, the servers would have to say.
  const isKnown = phase === 'completed' || (phase === 'ready' && lagSeconds !== null);
  return isKnown ? 'equal' : '';
}

function copiedCell({ copiedPercent }: MemberLine): string {
  return copiedPercent === null ? '' : `${copiedPercent} %`;
}

function headline({ state, input }: GroupView, status: GroupStatus, { colors }: Screen): string {
  const { source, target, paused } = status;
  // The status has the first ones only.
  const namespaces = input?.namespaces ?? status.namespaces;
  const phase = state === 'terminated' ? state : status.phase;
  const noted = paused ? colors.yellow(' (paused)') : '';
  const pair = `${source}:${describeNamespaces(namespaces)} → ${target}`;
  return `${colors.bold(pair)}  ${paint(phase, phase, colors)}${noted}`;
}

function progress(status: GroupStatus, screen: Screen, { copyPerSecond = 0 }: Extras): string[] {
  const { phase, copied, total, copiedPercent, etaSeconds, lagSeconds, oplogHoursLeft } = status;
  if (phase === 'preflight') return row('copy', 'later: both sides are looked at');
  if (isFinal(phase)) return [];
  const documents =
    copied.documents >= total.documents
      ? count(copied.documents, 'document')
      : `${number(copied.documents)} of ${count(total.documents, 'document')}`;
  const limits = limitsOf(status);
  const { maxBufferBytes } = status.settings ?? {};
  if (maxBufferBytes) limits.push(`buffer at most ${bytes(maxBufferBytes)}`);
  return [
    ...row('copy', `${gauge((copiedPercent ?? 0) / 100, screen)}${documents}`),
    ...paceRow(copyPerSecond, etaSeconds),
    ...(copiedPercent === 100 ? [] : handsRow(status)),
    ...(limits.length > 0 ? row('limits', `${limits.join('; ')}; for each collection`) : []),
    ...row(
      'changes',
      `${number(status.eventsPerSecond)}/s captured, ${number(status.changesPerSecond)}/s applied`,
    ),
    ...compareRow(status, screen),
    ...(lagSeconds === null ? [] : row('lag', `${duration(lagSeconds)} at most`)),
    ...(oplogHoursLeft === null
      ? []
      : row('history', `${historyLeft(oplogHoursLeft)} left at the source`)),
  ];
}

/** How much has been compared. A worker of another version may not tell. */
function compareRow({ total, ...status }: GroupStatus, screen: Screen): string[] {
  const { verification }: Partial<typeof status> = status;
  if (!verification) return [];
  const { state, documents, differing } = verification;
  if (state === 'none') return row('compare', 'not asked for');
  if (state === 'planned') return row('compare', 'later');
  const fraction = state === 'done' ? 1 : documents / Math.max(documents, total.documents, 1);
  const found =
    differing === null
      ? 'differences not known now'
      : differing > 0
        ? screen.colors.red(count(differing, 'difference'))
        : state === 'done'
          ? screen.colors.green('equal')
          : 'so far equal';
  return row('compare', `${gauge(fraction, screen)}${count(documents, 'document')}, ${found}`);
}

/** How much is copied at the same time. A worker of another version may not tell. */
function handsRow({ settings }: Partial<GroupStatus>): string[] {
  const { parallelCopies, parallelPartitions = 1 } = settings ?? {};
  if (parallelCopies === undefined) return [];
  const partitions = count(parallelPartitions, 'partition');
  return row('at once', `${count(parallelCopies, 'collection')}, ${partitions} of each`);
}

/** How long the copy takes still, and how fast it is, as far as that is known. */
function paceRow(copyPerSecond: number, etaSeconds: number | null): string[] {
  const rate = `${count(copyPerSecond, 'document')}/s`;
  if (etaSeconds === null) return copyPerSecond > 0 ? row('rate', rate) : [];
  return row('left', `${duration(etaSeconds)}${copyPerSecond > 0 ? ` at ${rate}` : ''}`);
}

function slowest({ slowest: lines }: GroupStatus): string[] {
  const texts = lines.slice(0, SHOWN).map((line) => {
    const copied = line.copiedPercent === null ? '' : `, copied ${copiedCell(line)}`;
    const lag = line.lagSeconds === null ? '' : `, lag ${duration(line.lagSeconds)}`;
    return `${line.namespace}  ${line.phase}${copied}${lag}`;
  });
  return rowsOf('slowest', texts);
}

function outcome({ cutover, afterwards }: GroupStatus): string[] {
  const { collections = 0, openedAt = '', downtimeMs = 0 } = cutover ?? {};
  const text = `${count(collections, 'collection')} since ${moment(openedAt)}, ${number(downtimeMs)} ms after the fence`;
  // A worker of another version may not tell.
  const { first, count: all } = afterwards ?? { first: [], count: 0 };
  const reasons = first.map(({ namespace, what }) => `${namespace}: ${what.join('; ')}`);
  return [...(cutover ? row('open', text) : []), ...rowsOf('look at', some(reasons, all))];
}

/** What the patterns match and the migration does not move. */
function notTaken({ leftOut, appeared }: GroupStatus): string[] {
  const reasons = leftOut.first.map(({ namespace, why }) => `${namespace} ${why}`);
  const names = appeared.first.slice(0, SHOWN).join(', ');
  const more = appeared.count - Math.min(SHOWN, appeared.first.length);
  return [
    ...rowsOf('left out', some(reasons, leftOut.count)),
    ...(appeared.count === 0
      ? []
      : row(
          'appeared',
          `${names}${more > 0 ? ` and ${number(more)} more` : ''}: not taken up; that needs --follow at the start, and warnings say what else hinders it`,
        )),
  ];
}

function hindrances(view: GroupView, status: GroupStatus, { colors }: Screen): string[] {
  const { problems, warnings, rejectedMessages, lastRefusal, live, failure } = status;
  const ended = view.state === 'terminated' ? 'terminated in Temporal: ' : '';
  const said = view.failure === null ? failure : `${ended}${view.failure}`;
  const texts = problems.map(({ namespace, what, todo }) => {
    const whose = namespace === undefined ? '' : `${namespace}: `;
    return `${whose}${what}; ${todo}`;
  });
  const paintAll = (lines: readonly string[], color: (text: string) => string) =>
    lines.map((line) => color(line));
  return [
    ...rowsOf('problem', paintAll(said?.split('\n') ?? [], colors.red)),
    ...rowsOf('problem', paintAll(some(texts, texts.length), colors.red)),
    ...(live.error === undefined
      ? []
      : row('problem', colors.yellow(`the servers could not be asked: ${live.error}`))),
    ...rowsOf('warning', paintAll(some(warnings, warnings.length), colors.yellow)),
    ...rejectedMessages.flatMap(({ at, message }) =>
      row('message', colors.yellow(`not understood at ${moment(at)}: ${message}`)),
    ),
    ...(lastRefusal && lastRefusal.at > (status.openedAt ?? '')
      ? rowsOf('refused', [
          `the cutover of ${moment(lastRefusal.at)}`,
          ...describeBlockers(lastRefusal.blockers, view.workflowId),
        ])
      : []),
  ];
}

function following(view: GroupView, { colors }: Screen): string[] {
  const { status, workflowId } = view;
  if (!status || isFinal(status.phase) || view.state !== 'running') return [];
  const { phase, paused, mayCutOver, blockers } = status;
  const plan = describePlan(status);
  const next = nextStep(view);
  // Before the copy is done there is only one thing to say: not yet.
  const isEarly = ['preflight', 'copying', 'waiting'].includes(phase) && !paused;
  const why = mayCutOver
    ? [colors.green('nothing speaks against it')]
    : isEarly
      ? ['not yet']
      : describeBlockers(blockers, workflowId);
  return [
    ...rowsOf('cutover', why),
    ...(plan === undefined ? [] : row('planned', plan)),
    ...(next === undefined ? [] : row('next', next)),
  ];
}

/** The first of some lines, and how many more. */
function some(lines: readonly string[], all: number): string[] {
  const shown = lines.slice(0, SHOWN);
  const more = all - shown.length;
  return more > 0 ? [...shown, `and ${number(more)} more`] : shown;
}
