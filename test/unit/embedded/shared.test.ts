import { describe, expect, it } from 'vitest';
import { shared } from '../../../embedded/shared.js';

describe('shared', () => {
  it('lets callers at the same time share a run, and later ones start another', async () => {
    let runs = 0;
    const work = shared(async () => {
      await Promise.resolve();
      return ++runs;
    });
    expect(await Promise.all([work(undefined), work(undefined)])).toEqual([1, 1]);
    expect(await work(undefined)).toBe(2);
  });

  it('tries again after a failure', async () => {
    let runs = 0;
    const work = shared(async () => {
      if (++runs === 1) throw new Error('first');
      return runs;
    });
    await expect(work(undefined)).rejects.toThrow('first');
    expect(await work(undefined)).toBe(2);
  });
});
