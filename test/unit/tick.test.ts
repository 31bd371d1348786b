import { expect, it } from 'vitest';
import { untilTick } from '../../src/tick.js';

it('lets what waits from different moments go on at the same one, and none too early', () => {
  const ends = [10_000, 10_300.5, 10_999].map((now) => now + untilTick(2_500, now));
  expect(ends).toEqual([13_000, 13_000, 14_000]);
  expect(untilTick(3_000, 10_000)).toBe(3_000);
});
