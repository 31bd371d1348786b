import { describe, expect, it } from 'vitest';
import { Pace, type ReadLimits, ReadPace } from '../../../src/mongo/pace.js';

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
    await new Pace(() => undefined, time).spend(1e12);
    expect(time.waits).toEqual([]);
  });

  it('waits as long as the limit wants, at most a second at a time', async () => {
    const time = clock();
    const pace = new Pace(() => 100, time);
    await pace.spend(250);
    expect(time.waits).toEqual([1000, 1000, 500]);
    await pace.spend(10);
    expect(sum(time.waits)).toBe(2600);
  });

  it('counts the time that passed by itself, and of a pause one second at most', async () => {
    const time = clock();
    const pace = new Pace(() => 100, time);
    time.pass(3_600_000);
    await pace.spend(100);
    expect(time.waits).toEqual([]);
    time.pass(500);
    await pace.spend(100);
    expect(sum(time.waits)).toBe(500);
  });

  it('follows a limit that changes, also while it waits', async () => {
    const time = clock();
    let limit: number | undefined = 10;
    const pace = new Pace(() => limit, {
      ...time,
      wait: async (ms) => {
        await time.wait(ms);
        if (time.waits.length === 2) limit = 100;
        if (time.waits.length === 5) limit = undefined;
      },
    });
    await pace.spend(120);
    expect(time.waits).toEqual([1000, 1000, 100]);
    limit = 10;
    await pace.spend(1_000);
    expect(time.waits).toHaveLength(5);
    await pace.spend(1_000);
    expect(time.waits).toHaveLength(5);
  });

  it('is not moved by a clock that goes back', async () => {
    const time = clock();
    const pace = new Pace(() => 100, time);
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

  it('reads a quarter of a second at once, and never more than may be', async () => {
    const time = clock();
    const sizeOf = (limits: ReadLimits) => new ReadPace(limits, time).batchSize(10_000);
    expect(sizeOf({})).toBe(10_000);
    expect(sizeOf({ documentsPerSecond: 1_000_000 })).toBe(10_000);
    expect(sizeOf({ documentsPerSecond: 1_000 })).toBe(250);
    expect(sizeOf({ documentsPerSecond: 1 })).toBe(10);
    const pace = new ReadPace({ documentsPerSecond: 1_000, bytesPerSecond: 100_000 }, time);
    expect(pace.batchSize(10_000)).toBe(10);
    await pace.spend({ documents: 10, bytes: 5_000 });
    expect(pace.batchSize(10_000)).toBe(50);
  });
});
