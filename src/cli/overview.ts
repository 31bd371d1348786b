import { bar, duration, number } from './format.js';
import { nameOf } from './next-step.js';
import type { Output } from './output.js';
import { paint } from './render-migration.js';
import { renderTable, type Column } from './table.js';
import type { MigrationView } from './view.js';

/** Below this a bar takes more room than it is worth. */
const WIDE = 100;

/** Several migrations as a table, and below it what hinders them. */
export function renderOverview(
  views: readonly MigrationView[],
  speeds: ReadonlyMap<string, number>,
  output: Output,
): string[] {
  if (views.length === 0) return ['no migration is running'];
  const { colors, columns } = output;
  const speedOf = ({ workflowId }: MigrationView) => speeds.get(workflowId) ?? 0;
  const cells: Column<MigrationView>[] = [
    { head: 'MIGRATION', cell: ({ workflowId }) => nameOf(workflowId) },
    { head: 'PHASE', cell: (view) => phaseOf(view, colors) },
    { head: 'COPY', cell: ({ status }) => copyCell(status?.copiedPercent, output) },
    {
      head: 'RATE',
      cell: (view) => (speedOf(view) > 0 ? `${number(speedOf(view))}/s` : ''),
      spare: 3,
    },
    { head: 'LEFT', cell: ({ status }) => secondsCell(status?.etaSeconds), spare: 2 },
    { head: 'COMPARED', cell: ({ status }) => comparedCell(status), spare: 4 },
    { head: 'LAG', cell: ({ status }) => secondsCell(status?.lagSeconds), spare: 1 },
    {
      head: 'CUTOVER',
      cell: ({ status }) => (!status ? '' : status.mayCutOver ? colors.green('may') : 'not yet'),
      spare: 5,
    },
  ];
  return [
    ...renderTable(views, cells, output.isLive ? columns : Number.POSITIVE_INFINITY),
    ...new Set(views.flatMap((view) => troubleOf(view, colors))),
  ];
}

function copyCell(percent: number | null | undefined, { isLive, columns }: Output): string {
  if (percent === null || percent === undefined) return '';
  const told = `${percent} %`;
  return isLive && columns >= WIDE ? `${bar(percent / 100, 12)} ${told.padStart(6)}` : told;
}

function phaseOf({ status, state, noAnswer }: MigrationView, colors: Output['colors']): string {
  if (!status) return noAnswer === null ? state : colors.yellow('no answer');
  const { phase, paused, stalled } = status;
  const flag = paused ? ' (paused)' : stalled ? ' (stalled)' : '';
  return paint(`${phase}${flag}`, flag === '' ? phase : 'waiting', colors);
}

function comparedCell(status: MigrationView['status']): string {
  if (!status) return '';
  const { state, documents, report } = status.verification;
  const differing = report ? report.differing + report.missing + report.extra : 0;
  if (differing > 0) return `${number(differing)} differ`;
  if (state === 'done') return 'equal';
  return state === 'running' ? number(documents) : state === 'none' ? 'not asked' : 'later';
}

function secondsCell(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? '' : duration(seconds);
}

function troubleOf(view: MigrationView, colors: Output['colors']): string[] {
  const { status, noAnswer, workflowId } = view;
  if (noAnswer !== null) return [colors.yellow(noAnswer)];
  if (!status?.problem) return [];
  const { what, todo } = status.problem;
  return [`${nameOf(workflowId)}: ${colors.red(`${what}; ${todo}`)}`];
}
