import { expect, it } from 'vitest';
import { estimateCopy } from '../../../src/workflows/estimate.js';

const TOTAL = 10_000;
const since = '2026-01-01T00:00:00.000Z';

it.each([
  ['what was copied in a part of the time', 20, 5_000, 20],
  ['nothing in the first seconds', 9, 5_000, null],
  ['nothing by less than a hundredth', 20, 99, null],
  ['a hundredth', 20, 100, 1_980],
  ['less than a hundredth after a minute', 60, 50, 11_940],
  ['nothing where nothing was copied', 600, 0, null],
  ['all', 20, TOTAL, 0],
  ['more than there was', 20, TOTAL + 1, 0],
] as const)('the time left of a copy is told by %s', (_what, seconds, copied, expected) => {
  const asOf = new Date(Date.parse(since) + seconds * 1000).toISOString();
  expect(estimateCopy({ since, asOf }, copied, TOTAL)).toBe(expected);
});

it('is not known of a copy that has not begun', () => {
  expect(estimateCopy({ since: undefined, asOf: since }, 5_000, TOTAL)).toBeNull();
});
