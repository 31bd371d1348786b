import { describe, expect, it } from 'vitest';
import { CopySpeed } from '../../../src/cli/copy-speed.js';

describe('the speed of the copy', () => {
  it('is that of the last second or more', () => {
    const speed = new CopySpeed();
    expect(speed.perSecond(0, 0)).toBe(0);
    expect(speed.perSecond(10_000, 500)).toBe(0);
    expect(speed.perSecond(40_000, 2_000)).toBe(20_000);
    expect(speed.perSecond(41_000, 2_500)).toBe(20_000);
    expect(speed.perSecond(50_000, 3_000)).toBe(10_000);
  });
});
