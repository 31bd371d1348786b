import type { Figures } from './case.js';
import type { Measured } from './runner.js';

/** One figure of a variant over all rounds. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Median divided by the first variant's; missing where that is 0 or has no such figure. */
  readonly ratio?: number;
}

/** A variant with its figures by name. */
export interface Result {
  readonly name: string;
  readonly figures: Readonly<Record<string, Summary>>;
  readonly runs: readonly Figures[];
}

/** The median of a list; the mean of the two in the middle of an even one. */
export function median(list: readonly number[]): number {
  const sorted = list.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? upper) + upper) / 2 : upper;
}

/** Medians with their spread, and their ratios to the first variant. */
export function summarise(measured: readonly Measured[]): readonly Result[] {
  const reference = new Map<string, number>();
  return measured.map(({ name, runs }, index) => {
    const names = [...new Set(runs.flatMap((run) => Object.keys(run)))];
    const figures = names.map((figure): [string, Summary] => {
      const list = runs.flatMap((run) => run[figure] ?? []);
      const middle = median(list);
      if (index === 0) reference.set(figure, middle);
      const base = reference.get(figure);
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
    return { name, figures: Object.fromEntries(figures), runs };
  });
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
