import { describe, expect, it } from 'vitest';
import { Pace, ReadPace } from '../../../src/mongo/pace.js';

/** A clock that only waiting moves, and what was waited for, in ms. */
function clock() {
  let time = 0;
  const waits: number[] = [];
  return {
    waits,
    pass: (ms: number) => {
      time += ms;
    },
    now: () => time,
    wait: async (ms: number) => {
      waits.push(ms);
      time += ms;
    },
  };
}

const sum = (list: readonly number[]) => list.reduce((all, one) => all + one, 0);

describe('a pace', () => {
  it('never waits without a limit', async () => {
    const time = clock();
    await new Pace(undefined, time).spend(1e12);
    expect(time.waits).toEqual([]);
  });

  it('waits as long as the limit wants, at most a second at a time', async () => {
    const time = clock();
    const pace = new Pace(100, time);
    await pace.spend(250);
    expect(time.waits).toEqual([1000, 1000, 500]);
    await pace.spend(10);
    expect(sum(time.waits)).toBe(2600);
  });

  it('counts the time that passed by itself, and of a pause one second at most', async () => {
    const time = clock();
    const pace = new Pace(100, time);
    time.pass(3_600_000);
    await pace.spend(100);
    expect(time.waits).toEqual([]);
    time.pass(500);
    await pace.spend(100);
    expect(sum(time.waits)).toBe(500);
  });

  it('is not moved by a clock that goes back', async () => {
    const time = clock();
    const pace = new Pace(100, time);
    time.pass(-5_000);
    await pace.spend(50);
    expect(sum(time.waits)).toBe(500);
  });
});

describe('the pace of reading', () => {
  it('keeps to the slower of its two limits', async () => {
    for (const [documents, bytes] of [
      [100, 100],
      [10, 1000],
    ] as const) {
      const time = clock();
      const pace = new ReadPace({ documentsPerSecond: 100, bytesPerSecond: 1000 }, time);
      for (let batch = 0; batch < 20; batch++) await pace.spend({ documents, bytes });
      expect(sum(time.waits)).toBe(20_000);
    }
  });
});
