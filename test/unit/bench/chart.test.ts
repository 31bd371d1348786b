import { expect, it } from 'vitest';
import { drawChart } from '../../../bench/chart.js';
import { summarise } from '../../../bench/table.js';

it('a bar for each ratio, and none for what others are measured against', () => {
  const chart = drawChart([
    {
      case: 'copy',
      figure: 'perSecond',
      options: { rounds: 1, documents: 1, rate: 1 },
      results: summarise([
        { name: 'dump | restore', runs: [{ perSecond: 100 }] },
        { name: 'direct', runs: [{ perSecond: 210 }] },
        { name: 'far <more>', runs: [{ perSecond: 900 }] },
        { name: 'without it', runs: [{ ms: 5 }] },
      ]),
    },
  ]);
  expect(chart.match(/<rect /g)).toHaveLength(2);
  expect(chart).toContain('copy: direct</text>');
  expect(chart).toContain('>2.10</text>');
  expect(chart).toContain('far &lt;more&gt;');
  expect(chart).toContain('<title>perSecond against dump | restore</title>');
});
