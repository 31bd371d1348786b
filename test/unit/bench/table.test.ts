import { expect, it } from 'vitest';
import { alternate } from '../../../bench/runner.js';
import { median, renderTable, summarise } from '../../../bench/table.js';

it('the median is the one in the middle, or between the two there', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
});

it('figures are divided by those of the first variant, where it has them', () => {
  const results = summarise([
    { name: 'old', runs: [{ ms: 10, refused: 0 }, { ms: 30, refused: 0 }, { ms: 20, refused: 0 }] }, // prettier-ignore
    {
      name: 'new',
      runs: [
        { ms: 5, refused: 1 },
        { ms: 5, refused: 1, extra: 2 },
      ],
    },
  ]);
  expect(results[0]?.figures['ms']).toEqual({ median: 20, least: 10, most: 30, ratio: 1 });
  expect(results[1]?.figures).toEqual({
    ms: { median: 5, least: 5, most: 5, ratio: 0.25 },
    refused: { median: 1, least: 1, most: 1 },
    extra: { median: 2, least: 2, most: 2 },
  });
  expect(renderTable({ figure: 'ms', results })).toBe(
    `| variant | ms | refused | extra | ratio of ms |
| --- | ---: | ---: | ---: | ---: |
| old | 20 (10 – 30) | 0 |  |  |
| new | 5 | 1 | 2 | 0.25 |`,
  );
});

it('figures are divided by those of the variant that one is measured against', () => {
  const results = summarise([
    { name: 'read', runs: [{ perSecond: 100 }] },
    { name: 'merge', runs: [{ perSecond: 10 }] },
    { name: 'replay', against: 'merge', runs: [{ perSecond: 9 }] },
  ]);
  expect(results.map(({ figures }) => figures['perSecond']?.ratio)).toEqual([1, 0.1, 0.9]);
  expect(results[2]?.against).toBe('merge');
});

it('variants are measured in turn, every second round backwards', async () => {
  const order: string[] = [];
  const variants = ['a', 'b'].map((name) => ({
    name,
    run: async () => {
      order.push(name);
      return { count: order.length };
    },
  }));
  const measured = await alternate(variants, 3, () => undefined);
  expect(order.join('')).toBe('abbaab');
  expect(measured[1]).toEqual({
    against: undefined,
    name: 'b',
    runs: [{ count: 2 }, { count: 3 }, { count: 6 }],
  });
});
