import { Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { Standstill } from '../../../src/mongo/standstill.js';

const at = (seconds: number) => new Timestamp({ t: seconds, i: 1 });
const clock = (seconds: number) => new Date(seconds * 1000);

/** Looks every ten seconds: times of the stream and of the source. */
function look(...times: readonly (readonly [number, number])[]): (Date | undefined)[] {
  const standstill = new Standstill();
  return times.map(([stream, source], index) =>
    standstill.look(at(stream), at(source), clock(index * 10)),
  );
}

describe('a stream', () => {
  it('that keeps up does not stand still', () => {
    expect(look([100, 101], [110, 111], [120, 121])).toEqual([undefined, undefined, undefined]);
  });

  it('of a source where nothing happens does not', () => {
    expect(look([100, 100], [100, 100], [100, 100])).toEqual([undefined, undefined, undefined]);
  });

  it('that is far behind and moves does not', () => {
    expect(look([10, 100], [15, 110], [20, 120])).toEqual([undefined, undefined, undefined]);
  });

  it('that has not caught up with the last seconds yet does not', () => {
    expect(look([100, 100], [100, 109])).toEqual([undefined, undefined]);
  });

  it('that stays where it is while the source goes on does, until it moves', () => {
    expect(look([100, 105], [100, 110], [100, 120], [101, 130], [131, 131])).toEqual([
      undefined,
      clock(10),
      clock(10),
      undefined,
      undefined,
    ]);
  });
});
