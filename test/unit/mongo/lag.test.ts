import { describe, expect, it } from 'vitest';
import {
  appliedChanges,
  captureRate,
  isStalled,
  lagSeconds,
  replayRate,
} from '../../../src/mongo/lag.js';

const now = new Date('2026-01-01T00:01:00.000Z');
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);

function control(capture: object, replay: object) {
  return {
    capture: { epoch: 1, events: 2, buffered: 2, bytes: 0, rate: 0, ...capture },
    replay: { epoch: 1, events: 1, rate: 0, ...replay },
  };
}

describe('lagSeconds', () => {
  it('is not known before capture has read for the first time', () => {
    expect(lagSeconds(control({}, {}), now)).toBeUndefined();
    expect(
      lagSeconds(control({ through: { _data: '82B' } }, { through: '82B' }), now),
    ).toBeUndefined();
  });

  it.each([
    ['nothing is left and capture has just read', { asOf: ago(1), at: ago(0.97) }, '82B', {}, 0.03],
    ['nothing is left, capture read a while ago', { asOf: ago(4.5), at: ago(4.4) }, '82B', {}, 0.1],
    ['nothing is left, capture has been silent', { asOf: ago(20), at: ago(19) }, '82B', {}, 20],
    ['replay is ahead by its token', { asOf: ago(1), at: ago(1) }, '82C', {}, 0],
    ['replay is behind', { asOf: ago(1), at: ago(1) }, '82A', { asOf: ago(7) }, 7],
    [
      'replay is behind, capture is silent',
      { asOf: ago(9), at: ago(9) },
      '82A',
      { asOf: ago(8) },
      8,
    ],
    [
      'the position has moved without changes',
      { asOf: ago(1), at: ago(0.9) },
      '82A',
      { asOf: ago(5), drained: { captured: 2, events: 9 } },
      0.1,
    ],
    [
      'as many were applied as were captured, some of them twice',
      { asOf: ago(1), at: ago(0.9) },
      '82A',
      { asOf: ago(5), events: 2, drained: { captured: 1, events: 1 } },
      5,
    ],
    ['clocks disagree', { asOf: ago(-2), at: ago(-1.5) }, '82A', { asOf: ago(-1) }, 0],
  ])('when %s', (_when, capture, through, replay, expected) => {
    const state = control({ through: { _data: '82B' }, ...capture }, { through, ...replay });
    expect(lagSeconds(state, now)).toBeCloseTo(expected, 2);
  });

  it('is not known while replay has not applied anything', () => {
    const capture = { through: { _data: '82B' }, asOf: ago(1), at: ago(1) };
    expect(lagSeconds(control(capture, {}), now)).toBeUndefined();
    expect(lagSeconds(control(capture, { through: '82A' }), now)).toBeUndefined();
  });
});

describe('appliedChanges', () => {
  it.each([
    ['nothing was left by others', { events: 1 }, 1],
    [
      'others have left some, and all is applied',
      { events: 9, drained: { captured: 2, events: 9 } },
      2,
    ],
    ['others have left some before', { events: 8, drained: { captured: 1, events: 8 } }, 1],
    ['others have left some since', { events: 9 }, 2],
  ])('counts what the capture has counted when %s', (_when, replay, expected) => {
    expect(appliedChanges(control({}, replay))).toBe(expected);
  });
});

describe('isStalled', () => {
  it.each([
    ['has just written', { at: ago(1) }, 500, false],
    ['wrote 30 s ago', { at: ago(30) }, 500, false],
    ['wrote 31 s ago', { at: ago(31) }, 500, true],
    ['stands still since 29 s', { at: ago(1), standsSince: ago(29) }, 500, false],
    ['stands still since 31 s', { at: ago(1), standsSince: ago(31) }, 500, true],
    ['stood still once', { at: ago(1), standsSince: null }, 500, false],
    ['has not written, 29 s after the start', {}, 29, false],
    ['has not written, 31 s after the start', {}, 31, true],
  ])('when capture %s', (_when, capture, started, expected) => {
    const state = { ...control(capture, {}), startedAt: ago(started) };
    expect(isStalled(state, now)).toBe(expected);
  });
});

describe('rates', () => {
  const before = (seconds: number) => new Date(Date.now() - seconds * 1000);
  const through = { _data: '82B' };

  it.each([
    [2, 7],
    [20, 0],
  ])('of the capture, written %i s ago', (seconds, expected) => {
    expect(captureRate(control({ rate: 7, at: before(seconds) }, {}))).toBe(expected);
  });

  it.each([
    ['nothing is left', '82B', 2, 7],
    ['nothing is left, and that for a while', '82B', 20, 0],
    ['a large range is under way', '82A', 20, 7],
    ['nothing is applied for a minute', '82A', 61, 0],
  ])('of the replay when %s', (_when, applied, seconds, expected) => {
    const state = control({ through }, { through: applied, rate: 7, at: before(seconds) });
    expect(replayRate(state)).toBe(expected);
  });
});
