import { countDifferences } from '../blockers.js';
import { bar, number } from './format.js';
import { nameOf } from './next-step.js';
import type { Output } from './output.js';
import { paint, phaseWord } from './render-migration.js';
import { nameCell, rateCell, renderTable, secondsCell, type Column } from './table.js';
import { comparedCell as comparedOfMember } from './render-group.js';
import type { GroupStatus } from '../workflows/group/status.js';
import { leastFarFirst } from '../workflows/group/least-far.js';
import { type GroupView, isGroup, isMigration, type MigrationView } from './view.js';

/** Below this a bar takes more room than it is worth. */
const WIDE = 100;

/** Columns that are left to the others where names are long. */
const BESIDE_NAME = 48;

/** Collections of one group that are shown. */
const MOST_OF_GROUP = 10;

type Shown = MigrationView | GroupView;

/** One row: a migration, or a collection of the group above it. */
interface Row {
  readonly name: string;
  readonly phase: string;
  readonly copiedPercent?: number | null | undefined;
  readonly copyPerSecond?: number | undefined;
  readonly etaSeconds?: number | null | undefined;
  readonly compared?: string;
  readonly lagSeconds?: number | null | undefined;
  readonly cutover?: string;
}

/**
 * Several migrations as a table, collections below their group, and below the table what hinders them.
 * @param room rows of the terminal for it; all is shown unless given.
 */
export function renderOverview(
  views: readonly Shown[],
  speeds: ReadonlyMap<string, number>,
  output: Output,
  room?: number,
): string[] {
  if (views.length === 0) return ['no migration is running'];
  const { colors, columns } = output;
  const troubles = [...new Set(views.flatMap((view) => troubleOf(view, colors)))];
  const below = within(troubles, room && Math.floor(room / 2), output);
  const left = room && room - output.heightOf(below);
  const rows = fewEnough(left, (mostOfGroup) =>
    views.flatMap((view) => [
      rowOf(view, speeds.get(view.workflowId) ?? 0, colors),
      ...(isGroup(view) ? rowsOfCollections(view, mostOfGroup, colors) : []),
    ]),
  );
  const width = output.isLive ? columns : Number.POSITIVE_INFINITY;
  const cells: Column<Row>[] = [
    { head: 'MIGRATION', cell: ({ name }) => nameCell(name, width, BESIDE_NAME) },
    { head: 'PHASE', cell: ({ phase }) => phase },
    { head: 'COPY', cell: ({ copiedPercent }) => copyCell(copiedPercent, output) },
    { head: 'RATE', cell: ({ copyPerSecond }) => rateCell(copyPerSecond), spare: 3 },
    { head: 'LEFT', cell: ({ etaSeconds }) => secondsCell(etaSeconds), spare: 2 },
    { head: 'COMPARED', cell: ({ compared = '' }) => compared, spare: 4 },
    { head: 'LAG', cell: ({ lagSeconds }) => secondsCell(lagSeconds), spare: 1 },
    { head: 'CUTOVER', cell: ({ cutover = '' }) => cutover, spare: 5 },
  ];
  const table = renderTable(rows, cells, width);
  return [...within(table, left, output), ...below];
}

/** Collections of groups give way before migrations do: their group stands for them. */
function fewEnough(
  room: number | undefined,
  rowsWith: (mostOfGroup: number) => Row[],
  most = MOST_OF_GROUP,
): Row[] {
  const rows = rowsWith(most);
  // The head of the table needs one, too.
  const hasRoom = room === undefined || rows.length < room;
  return hasRoom || most === 0 ? rows : fewEnough(room, rowsWith, most - 1);
}

/** As many lines as there is room for, and how many more. */
function within(lines: readonly string[], room: number | undefined, output: Output): string[] {
  if (room === undefined || output.heightOf(lines) <= room) return [...lines];
  let shown = Math.max(0, Math.min(lines.length, room) - 1);
  while (shown > 0 && output.heightOf(lines.slice(0, shown)) >= room) shown -= 1;
  return [...lines.slice(0, shown), `and ${number(lines.length - shown)} more`];
}

function rowOf(view: Shown, copyPerSecond: number, colors: Output['colors']): Row {
  const { workflowId, status } = view;
  return {
    name: nameOf(workflowId),
    phase: phaseOf(view, colors),
    copiedPercent: status?.copiedPercent,
    copyPerSecond,
    etaSeconds: status?.etaSeconds,
    compared: isMigration(view) ? comparedCell(view.status) : comparedOfGroup(view.status),
    lagSeconds: status?.lagSeconds,
    cutover: !status ? '' : status.mayCutOver ? colors.green('may') : 'not yet',
  };
}

/** Those that are least far, and how many more. */
function rowsOfCollections({ status }: GroupView, most: number, colors: Output['colors']): Row[] {
  if (!status || most === 0) return [];
  const shown = leastFarFirst(status.collections).slice(0, most);
  const more = status.counts.all - shown.length;
  return [
    ...shown.map((line) => ({
      name: `  ${line.namespace}`,
      phase: paint(line.phase, line.phase, colors),
      copiedPercent: line.copiedPercent,
      copyPerSecond: line.copiedPerSecond,
      etaSeconds: line.etaSeconds,
      compared: comparedOfMember(line, status),
      lagSeconds: line.lagSeconds,
    })),
    ...(more > 0 ? [{ name: `  and ${number(more)} more`, phase: '' }] : []),
  ];
}

function copyCell(percent: number | null | undefined, { isLive, columns }: Output): string {
  if (percent === null || percent === undefined) return '';
  const told = `${percent} %`;
  return isLive && columns >= WIDE ? `${bar(percent / 100, 12)} ${told.padStart(6)}` : told;
}

function phaseOf({ status, state, noAnswer }: Shown, colors: Output['colors']): string {
  if (!status) return noAnswer === null ? state : colors.yellow('no answer');
  const { paused } = status;
  const phase = phaseWord(status);
  const stalled = 'stalled' in status && status.stalled;
  const flag = paused ? ' (paused)' : stalled ? ' (stalled)' : '';
  return paint(`${phase}${flag}`, flag === '' ? phase : 'waiting', colors);
}

function comparedOfGroup(status: GroupView['status']): string {
  // A worker of another version may not tell.
  const { verification } = (status ?? {}) as Partial<GroupStatus>;
  if (!verification || verification.differing === null) return '';
  return comparedText(verification, verification.differing);
}

function comparedCell(status: MigrationView['status']): string {
  if (!status) return '';
  const { verification } = status;
  const { report } = verification;
  return comparedText(verification, report ? countDifferences(report) : 0);
}

function comparedText(
  { state, documents }: Pick<GroupStatus['verification'], 'state' | 'documents'>,
  differing: number,
): string {
  if (differing > 0) return `${number(differing)} differ`;
  if (state === 'done') return 'equal';
  return state === 'running' ? number(documents) : state === 'none' ? 'not asked' : 'later';
}

function troubleOf(view: Shown, colors: Output['colors']): string[] {
  const { status, noAnswer, workflowId } = view;
  if (noAnswer !== null) return [colors.yellow(noAnswer)];
  if (!status) return [];
  const problems = 'problems' in status ? status.problems : [status.problem ?? []].flat();
  return problems.map(({ what, todo, ...which }) => {
    const whose = 'namespace' in which ? `${which.namespace}: ` : '';
    return `${nameOf(workflowId)}: ${whose}${colors.red(`${what}; ${todo}`)}`;
  });
}
