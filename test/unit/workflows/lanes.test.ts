import { describe, expect, it } from 'vitest';
import { runLanes } from '../../../src/workflows/copy-collection.js';
import { deferred } from '../../helpers/deferred.js';

describe('runLanes', () => {
  it.each([
    [0, 3],
    [1, 3],
    [7, 1],
    [7, 3],
    [3, 7],
  ])('does each of %i once, %i at a time', async (count, lanes) => {
    const seen: number[] = [];
    let now = 0;
    let most = 0;
    await runLanes(count, lanes, async (index) => {
      now += 1;
      most = Math.max(most, now);
      seen.push(index);
      await new Promise(setImmediate);
      now -= 1;
    });
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(most).toBe(Math.min(lanes, count));
  });

  it('does not wait for a slow one with the others', async () => {
    const slow = deferred();
    const ended: number[] = [];
    const all = runLanes(5, 2, async (index) => {
      if (index === 0) await slow.promise;
      ended.push(index);
      if (index === 4) slow.resolve();
    });
    await all;
    expect(ended).toEqual([1, 2, 3, 4, 0]);
  });

  it('ends with the first failure', async () => {
    const work = runLanes(3, 2, async (index) => {
      if (index === 1) throw new Error('partition 1');
      return new Promise(() => undefined);
    });
    await expect(work).rejects.toThrow('partition 1');
  });
});
