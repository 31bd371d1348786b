import { describe, expect, it } from 'vitest';
import { isBegun, requireAnswer, untilAnswered } from '../../../src/cli/commands/start.js';
import type { View } from '../../../src/cli/view.js';
import type { Phase } from '../../../src/workflows/phases.js';
import { statusOf } from '../../helpers/migration-status.js';

function viewIn(phase: Phase): View {
  return {
    workflowId: 'migrate:source:a.b',
    runId: 'run',
    type: 'migrateCollection',
    state: 'running',
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: null,
    input: null,
    status: statusOf({ phase }),
    noAnswer: null,
    failure: null,
    underway: [],
  };
}

it.each([
  ['preflight', false],
  ['copying', true],
  ['waiting', true],
  ['failed', false],
] as const)('a migration whose phase is %s has begun: %s', (phase, expected) => {
  expect(isBegun(viewIn(phase))).toBe(expected);
});

const unanswered = { ...viewIn('copying'), status: null, noAnswer: 'no worker answers' };

it('a migration for which nobody answers has not begun, and that is no success', () => {
  expect(isBegun(unanswered)).toBe(false);
  expect(() => requireAnswer(unanswered)).toThrow(
    expect.objectContaining({
      exit: 'noWorker',
      message: expect.stringMatching(/^migrate:source:a\.b is started, but nobody answers/),
      todo: expect.arrayContaining(['look again with: csm status a.b --watch']),
    }),
  );
  expect(() => requireAnswer(viewIn('copying'))).not.toThrow();
});

describe('a command that has started something', () => {
  const ends = (until: (view: View) => boolean, views: readonly View[]) => views.map(until);

  it('does not wait for a worker before it has begun, but for one that is busy', () => {
    const preflight = viewIn('preflight');
    expect(
      ends(untilAnswered(isBegun), [unanswered, unanswered, preflight, unanswered, unanswered]),
    ).toEqual([false, false, false, false, false]);
    expect(ends(untilAnswered(isBegun), [preflight, unanswered, unanswered, unanswered])).toEqual([
      false,
      false,
      false,
      true,
    ]);
    expect(ends(untilAnswered(isBegun), [viewIn('copying')])).toEqual([true]);
  });

  it('goes on without one afterwards, until it is far enough', () => {
    const until = untilAnswered(isBegun, ({ status }) => status?.phase === 'waiting');
    const away = Array.from({ length: 5 }, () => unanswered);
    expect(ends(until, [viewIn('copying'), ...away])).not.toContain(true);
    expect(until(viewIn('waiting'))).toBe(true);
  });
});
