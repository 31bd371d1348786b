import { describe, expect, it } from 'vitest';
import {
  bufferOf,
  bufferProblem,
  type BufferStatus,
  bufferWarnings,
} from '../../../src/workflows/buffer-status.js';
import type { Live } from '../../../src/workflows/status.js';

const GROWING: BufferStatus = {
  documents: 1_000,
  bytes: 300_000_000,
  bytesPerSecond: 1_000_000,
  limitBytes: 1_200_000_000,
  fullInSeconds: 900,
  fullSince: null,
};
const replaying = { copy: 'done', paused: false } as const;

function live(buffer: Live['buffer']): Live {
  return { buffer } as Live;
}

describe('the buffer in status', () => {
  it('is nothing when the servers could not be asked', () => {
    expect(bufferOf(undefined, null)).toBeNull();
  });

  it('says when it will be full', () => {
    const buffer = bufferOf(live({ documents: 1, bytes: 400, growth: 20 }), 1_000);
    expect(buffer).toMatchObject({ bytesPerSecond: 20, limitBytes: 1_000, fullInSeconds: 30 });
  });

  it.each([
    ['shrinks', { growth: -20 }, 1_000],
    ['has no limit', { growth: 20 }, null],
    ['was not measured for long enough', {}, 1_000],
    ['is full', { growth: 20, fullSince: '2026-01-01T00:00:00.000Z' }, 1_000],
  ])('does not when it %s', (_what, more, limit) => {
    const buffer = bufferOf(live({ documents: 1, bytes: 400, ...more }), limit);
    expect(buffer?.fullInSeconds).toBeNull();
  });
});

describe('warnings', () => {
  it('tell when the limit will be reached, and what to do', () => {
    const [warning] = bufferWarnings(GROWING, replaying);
    expect(warning).toContain('has 300 MB and grows by 1 MB per second');
    expect(warning).toContain('reaches its limit of 1.2 GB in about 15 min');
    expect(warning).toContain('maxBufferBytes');
  });

  it('tell that a replay never catches up, where there is no limit', () => {
    const [warning] = bufferWarnings({ ...GROWING, limitBytes: null }, replaying);
    expect(warning).toContain('the replay never catches up');
  });

  it('say nothing of a buffer without a limit that grows because nothing is applied', () => {
    const buffer = { ...GROWING, limitBytes: null };
    expect(bufferWarnings(buffer, { copy: 'running', paused: false })).toEqual([]);
    expect(bufferWarnings(buffer, { copy: 'done', paused: true })).toEqual([]);
  });

  it.each<[string, Partial<BufferStatus>]>([
    ['shrinks', { bytesPerSecond: -1 }],
    ['does not change', { bytesPerSecond: 0 }],
    ['is small', { bytes: 60_000_000 }],
    ['is full, which is a problem', { fullSince: '2026-01-01T00:00:00.000Z' }],
  ])('say nothing of a buffer that %s', (_what, more) => {
    expect(bufferWarnings({ ...GROWING, ...more }, replaying)).toEqual([]);
  });
});

describe('a full buffer', () => {
  const since = '2026-01-01T00:00:00.000Z';
  const full = { ...GROWING, fullSince: since };

  it('is a problem that says how long the source waits', () => {
    const problem = bufferProblem(full, replaying, 12.5);
    expect(problem).toMatchObject({ since });
    expect(problem?.what).toContain('limit of 1.2 GB');
    expect(problem?.todo).toContain('another 12.5 hours');
    expect(bufferProblem(full, replaying, 743.99)?.todo).toContain('another 30 days or more');
    expect(problem?.todo).toContain('goes on by itself');
  });

  it.each([
    ['resume', { copy: 'done', paused: true }],
    ['when the copy is done', { copy: 'running', paused: false }],
  ] as const)('says what makes room: %s', (text, state) => {
    expect(bufferProblem(full, state, null)?.todo).toContain(text);
  });

  it('is none while there is room', () => {
    expect(bufferProblem(GROWING, replaying, 1)).toBeUndefined();
  });
});
