import type { BenchOptions, Figures } from './case.js';
import type { Measured } from './runner.js';

/** One figure of a variant over all rounds. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Median divided by that of `against`; missing where that is 0 or has no such figure. */
  readonly ratio?: number;
}

/** A variant with its figures by name. */
export interface Result {
  readonly name: string;
  /** The variant that its ratios are to. */
  readonly against: string;
  readonly figures: Readonly<Record<string, Summary>>;
  readonly runs: readonly Figures[];
}

/** The results of one case. */
export interface CaseResults {
  readonly case: string;
  readonly figure: string;
  readonly options: BenchOptions;
  readonly results: readonly Result[];
}

/** The median of a list; the mean of the two in the middle of an even one. */
export function median(list: readonly number[]): number {
  const sorted = list.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? upper) + upper) / 2 : upper;
}

/** Medians with their spread, and their ratios to the variant that each is measured against. */
export function summarise(measured: readonly Measured[]): readonly Result[] {
  const medians = new Map(
    measured.map(({ name, runs }) => [
      name,
      new Map(figuresOf(runs).map((figure) => [figure, median(listOf(runs, figure))])),
    ]),
  );
  return measured.map(({ name, runs, against = measured[0]?.name ?? '' }) => {
    const figures = figuresOf(runs).map((figure): [string, Summary] => {
      const list = listOf(runs, figure);
      const middle = median(list);
      const base = medians.get(against)?.get(figure);
      return [
        figure,
        {
          median: middle,
          least: Math.min(...list),
          most: Math.max(...list),
          ...(base !== undefined && base !== 0 && { ratio: middle / base }),
        },
      ];
    });
    return { name, against, figures: Object.fromEntries(figures), runs };
  });
}

function figuresOf(runs: readonly Figures[]): string[] {
  return [...new Set(runs.flatMap((run) => Object.keys(run)))];
}

function listOf(runs: readonly Figures[], figure: string): number[] {
  return runs.flatMap((run) => run[figure] ?? []);
}

/** A Markdown table: a row per variant and figure. */
export function renderTable(results: readonly Result[]): string {
  const rows = results.flatMap(({ name, figures }) =>
    Object.entries(figures).map(([figure, { median: middle, least, most, ratio }]) => [
      name,
      figure,
      short(middle),
      `${short(least)} – ${short(most)}`,
      ratio === undefined ? '' : ratio.toFixed(2),
    ]),
  );
  const head = ['variant', 'figure', 'median', 'least – most', 'ratio'];
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function short(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}
