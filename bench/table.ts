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

/** A Markdown table of a case: a row per variant, with the ratio of the figure that the case is about. */
export function renderTable({ figure, results }: Pick<CaseResults, 'figure' | 'results'>): string {
  const names = [...new Set(results.flatMap(({ figures }) => Object.keys(figures)))];
  const rows = results.map(({ name, against, figures }) => {
    const cells = names.map((each) => show(figures[each]));
    const ratio = figures[figure]?.ratio;
    const isReference = name === against;
    return [name, ...cells, isReference || ratio === undefined ? '' : ratio.toFixed(2)];
  });
  const head = ['variant', ...names, `ratio of ${figure}`];
  const lines = [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The median, and between what all of them are unless they are the same. */
function show(summary: Summary | undefined): string {
  if (!summary) return '';
  const { median: middle, least, most } = summary;
  return least === most ? short(middle) : `${short(middle)} (${short(least)} – ${short(most)})`;
}

/** Three digits that count, and whole numbers in full. */
function short(value: number): string {
  return Number.isInteger(value) || value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
