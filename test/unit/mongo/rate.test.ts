import { describe, expect, it } from 'vitest';
import { Rate } from '../../../src/mongo/rate.js';

describe('a rate', () => {
  it('is what was done per second of the window', () => {
    const rate = new Rate(10_000);
    const start = Date.now();
    rate.add(0, start);
    expect(rate.add(500, start + 1000)).toBeCloseTo(500, -2);
    for (let second = 2; second <= 30; second++) {
      const perSecond = rate.add(100, start + second * 1000);
      if (second > 12) expect(perSecond).toBe(100);
    }
  });

  it('is nothing before there is time to divide by', () => {
    const rate = new Rate();
    expect(rate.add(1_000_000, Date.now())).toBe(0);
  });

  it('forgets what is long ago', () => {
    const rate = new Rate(10_000);
    const start = Date.now();
    expect(rate.add(10_000, start + 1000)).toBeGreaterThan(5000);
    rate.add(0, start + 30_000);
    expect(rate.add(0, start + 45_000)).toBe(0);
  });
});
