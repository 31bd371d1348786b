import { describe, expect, it } from 'vitest';
import {
  type CutoverOptions,
  cutoverPayload,
  requireFitting,
} from '../../../src/cli/commands/cutover.js';

const given = (options: Partial<CutoverOptions>): CutoverOptions => ({
  source: 'source',
  ...options,
});

describe('the payload of a cutover', () => {
  it.each([
    [{}, {}],
    [
      { leave: ['a.b'], force: ['lag'] },
      { leave: ['a.b'], force: ['lag'] },
    ],
    [
      { leave: ['a.b'], dryRun: true },
      { leave: ['a.b'], dryRun: true },
    ],
    [
      { leave: ['a.b'], whenLagUnder: 2 },
      { leave: ['a.b'], whenLagUnder: 2 },
    ],
    [{ withdraw: true }, { at: null }],
  ])('of %j', (options, payload) => expect(cutoverPayload(given(options))).toEqual(payload));

  it.each([
    [{ leave: ['a.b'], withdraw: true }, '--withdraw is for all'],
    [{ withdraw: true, at: '2020-01-01T00:00:00Z' }, '--withdraw excludes --at, --when-lag-under'],
    [{ leave: ['a.b'], whenLagUnder: 2, dryRun: true }, '"dryRun" is for a cutover now'],
    [{ at: '2020-01-01T00:00:00Z' }, '--at is in the past'],
  ])('refuses %j', (options, message) => {
    expect(() => cutoverPayload(given(options))).toThrow(message);
  });
});

describe('what only a group takes', () => {
  it('is refused for one collection', () => {
    const leave = given({ leave: ['a.b'] });
    expect(() => requireFitting(leave, false)).toThrow('--leave is for a group');
    expect(() => requireFitting(leave, true)).not.toThrow();
  });
});
