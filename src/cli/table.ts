import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import { shorten } from '../shorten.js';
import { duration, number } from './format.js';

/** Columns that the cells beside a name take, those aside that are spared where there is little room. */
const BESIDE_NAME = 34;
/** Less of a name tells nothing. */
const MIN_NAME = 16;

const BORDERS = [
  ['top', 'top-mid', 'top-left', 'top-right'],
  ['bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
].flat();
const PLAIN = Object.fromEntries(BORDERS.map((name) => [name, '']));

/** One column; the least important ones give way where there is little room. */
export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  /** Columns with the highest number go first; those without one never. */
  readonly spare?: number;
}

/** Rows under heads, in lines that fit the width where columns can be spared for it, as those are that are empty. */
export function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width: number,
): string[] {
  const used = columns.filter(
    ({ spare, cell }) => spare === undefined || rows.some((row) => cell(row) !== ''),
  );
  return fit(rows, used, width);
}

function fit<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number): string[] {
  const lines = draw(rows, columns);
  const widest = Math.max(...lines.map((line) => stripVTControlCharacters(line).length));
  const [spare] = columns
    .filter((column) => column.spare !== undefined)
    .toSorted((one, other) => (other.spare ?? 0) - (one.spare ?? 0));
  if (widest < width || spare === undefined) return lines;
  return fit(
    rows,
    columns.filter((column) => column !== spare),
    width,
  );
}

function draw<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  const table = new Table({
    head: columns.map(({ head }) => head),
    chars: PLAIN,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  table.push(...rows.map((row) => columns.map(({ cell }) => cell(row))));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

/** How fast something is copied; empty where nothing is. */
export function rateCell(perSecond = 0): string {
  return perSecond > 0 ? `${number(perSecond)}/s` : '';
}

/** Seconds for people; empty where they are not known. */
export function secondsCell(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? '' : duration(seconds);
}

/** A name, cut where it would leave no room for what is beside it. */
export function nameCell(name: string, width: number, beside = BESIDE_NAME): string {
  return shorten(name, Math.max(MIN_NAME, width - beside));
}
