import { escapeText } from './svg.js';
import type { CaseResults } from './table.js';

const ROW = 22;
const LABEL = 420;
const BAR = 320;
const WIDTH = LABEL + BAR + 80;
/** The longest bar stands for this; a longer one is cut, and its figure says so. */
const MOST = 3;

/** Draws the ratio of each variant to what it is measured against, as SVG: a bar to 1 is as fast. */
export function drawChart(all: readonly CaseResults[]): string {
  const rows = all.flatMap(({ case: name, figure, results }) =>
    results.flatMap(({ name: variant, against, figures }) => {
      const ratio = figures[figure]?.ratio;
      if (ratio === undefined || variant === against) return [];
      return [{ label: `${name}: ${variant}`, note: `${figure} against ${against}`, ratio }];
    }),
  );
  const height = (rows.length + 1) * ROW + 10;
  const one = LABEL + BAR / MOST;
  const bars = rows.map(({ label, note, ratio }, index) => {
    const y = index * ROW + 6;
    const width = (Math.min(ratio, MOST) / MOST) * BAR;
    return `<g><title>${escapeText(note)}</title>
<text x="${LABEL - 8}" y="${y + 12}" text-anchor="end">${escapeText(label)}</text>
<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="15" rx="2"/>
<text x="${(LABEL + width + 6).toFixed(1)}" y="${y + 12}">${ratio.toFixed(2)}</text></g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<style>rect{fill:#3d7ea6}text{fill:#333}line{stroke:#b33;stroke-dasharray:3 3}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>
${bars.join('\n')}
<line x1="${one.toFixed(1)}" y1="0" x2="${one.toFixed(1)}" y2="${height - ROW}"/>
<text x="${one.toFixed(1)}" y="${height - 8}" text-anchor="middle">1 = as much as the reference</text>
</svg>
`;
}
