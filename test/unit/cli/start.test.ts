import { expect, it } from 'vitest';
import { isBegun, requireAnswer } from '../../../src/cli/commands/start.js';
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

it('a migration for which nobody answers has not begun, and that is no success', () => {
  const unanswered = { ...viewIn('copying'), status: null, noAnswer: 'no worker answers' };
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
