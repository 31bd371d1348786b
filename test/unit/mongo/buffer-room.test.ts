import { describe, expect, it } from 'vitest';
import { BufferRoom } from '../../../src/mongo/buffer-room.js';

const LIMIT = 1_000;

describe('a buffer', () => {
  it('is never full without a limit', () => {
    const room = new BufferRoom();
    room.measured(1e15);
    expect(room.isFull(null)).toBe(false);
    expect(room.fullSince).toBeUndefined();
  });

  it('is full from its limit on, until a quarter of it is free', () => {
    const room = new BufferRoom();
    const at = new Date('2026-01-01T00:00:00Z');
    room.measured(999);
    expect(room.isFull(LIMIT, at)).toBe(false);
    room.measured(1_000);
    expect(room.isFull(LIMIT, at)).toBe(true);
    room.measured(750);
    expect(room.isFull(LIMIT, new Date())).toBe(true);
    expect(room.fullSince).toEqual(at);
    room.measured(749);
    expect(room.isFull(LIMIT)).toBe(false);
    room.measured(999);
    expect(room.isFull(LIMIT)).toBe(false);
  });

  it('counts what was put into it since it was measured', () => {
    const room = new BufferRoom();
    room.measured(500);
    room.add(499);
    expect(room.isFull(LIMIT)).toBe(false);
    room.add(1);
    expect(room.isFull(LIMIT)).toBe(true);
  });

  it('has room when its limit is raised or taken away', () => {
    const room = new BufferRoom();
    room.measured(1_000);
    expect(room.isFull(LIMIT)).toBe(true);
    expect(room.isFull(2 * LIMIT)).toBe(false);
    expect(room.isFull(LIMIT)).toBe(true);
    expect(room.isFull(null)).toBe(false);
  });

  it('is still full for the attempt after the one that has filled it', () => {
    const since = new Date('2026-01-01T00:00:00Z');
    const room = new BufferRoom(since);
    room.measured(800);
    expect(room.isFull(LIMIT)).toBe(true);
    expect(room.fullSince).toEqual(since);
  });

  it('grows by what came over the last minute', () => {
    const room = new BufferRoom();
    room.measured(0, 0);
    room.measured(4_000, 4_000);
    expect(room.growth).toBeUndefined();
    room.measured(20_000, 10_000);
    expect(room.growth).toBe(2_000);
    room.measured(20_000, 70_000);
    room.measured(14_000, 130_000);
    expect(room.growth).toBe(-100);
  });
});
