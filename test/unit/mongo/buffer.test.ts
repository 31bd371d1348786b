import { describe, expect, it } from 'vitest';
import { splitByMessage } from '../../../src/mongo/buffer.js';

const MAX = 16 * 1024 * 1024;

function lengths(parts: Iterable<readonly Buffer[]>): number[] {
  return [...parts].map((part) => part.length);
}

describe('splitByMessage', () => {
  const large = Buffer.alloc(MAX);

  it('leaves a list that fits as it is', () => {
    const list = [large, large];
    expect([...splitByMessage(list)]).toEqual([list]);
    expect([...splitByMessage(list)][0]).toBe(list);
    expect([...splitByMessage([])]).toEqual([]);
  });

  it('cuts where 47 MB would be exceeded, and keeps the order', () => {
    const marks = Array.from({ length: 7 }, (_, index) =>
      Buffer.concat([Buffer.from([index]), large]),
    );
    const parts = [...splitByMessage(marks)];
    expect(lengths(parts)).toEqual([2, 2, 2, 1]);
    expect(parts.flat().map((one) => one[0])).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(lengths(splitByMessage([Buffer.alloc(47_000_000), Buffer.alloc(1)]))).toEqual([1, 1]);
    expect(lengths(splitByMessage([Buffer.alloc(46_999_999), Buffer.alloc(1)]))).toEqual([2]);
  });

  it('cuts at 100,000 documents', () => {
    const tiny = Buffer.alloc(5);
    expect(lengths(splitByMessage(Array.from({ length: 250_001 }, () => tiny)))).toEqual([
      100_000, 100_000, 50_001,
    ]);
  });

  it('sends a document alone that is larger than any message', () => {
    expect(lengths(splitByMessage([Buffer.alloc(48_000_000), Buffer.alloc(1)]))).toEqual([1, 1]);
  });
});
