import { describe, expect, it } from 'vitest';
import { Lanes } from '../../../src/workflows/lanes.js';
import { deferred } from '../../helpers/deferred.js';

const runLanes = (count: number, most: number, work: (index: number) => Promise<unknown>) =>
  new Lanes(most).run(count, work);

describe('lanes', () => {
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

  /** Work that ends when it is told to. */
  function held() {
    const under = new Map<number, () => void>();
    return {
      under,
      work: async (index: number) => new Promise<void>((end) => under.set(index, end)),
      end: async (...indexes: number[]) => {
        for (const index of indexes) {
          under.get(index)?.();
          under.delete(index);
        }
        await new Promise(setImmediate);
      },
    };
  }

  it('become more at once', async () => {
    const { under, work, end } = held();
    const lanes = new Lanes(1);
    const all = lanes.run(5, work);
    expect([...under.keys()]).toEqual([0]);
    lanes.resize(3);
    expect([...under.keys()]).toEqual([0, 1, 2]);
    await end(0, 1, 2);
    expect([...under.keys()]).toEqual([3, 4]);
    lanes.resize(64);
    await end(3, 4);
    await all;
  });

  it('become fewer as their work ends, also where all of it ends at once', async () => {
    for (const together of [true, false]) {
      const { under, work, end } = held();
      const lanes = new Lanes(4);
      const all = lanes.run(8, work);
      lanes.resize(1);
      if (together) await end(0, 1, 2, 3);
      else for (const index of [0, 1, 2, 3]) await end(index);
      expect([...under.keys()]).toEqual([4]);
      lanes.resize(2);
      expect([...under.keys()]).toEqual([4, 5]);
      await end(4, 5);
      await end(6, 7);
      await all;
    }
  });

  it.each([
    ['all is done', async () => undefined],
    ['it has failed', async () => Promise.reject(new Error('cancelled'))],
  ])('can be used again when %s', async (_what, work) => {
    const lanes = new Lanes(2);
    await lanes.run(3, work).catch(() => undefined);
    const seen: number[] = [];
    await lanes.run(3, async (index) => seen.push(index));
    expect(seen).toEqual([0, 1, 2]);
  });
});
