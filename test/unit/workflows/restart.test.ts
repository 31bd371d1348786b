import { describe, expect, it } from 'vitest';
import { stateBlockers } from '../../../src/workflows/blockers.js';
import { LIVE_STATUS_PREFIX, liveStatus } from '../../../src/workflows/live.js';
import type { Phase } from '../../../src/workflows/phases.js';
import { askRestart, forgetCopy, restartProblem } from '../../../src/workflows/restart.js';
import { buildStatus, initialState, type MigrationState } from '../../../src/workflows/status.js';
import { cleanReport, report } from '../../helpers/fake-activities.js';
import { identity } from '../../helpers/migration.js';

const start = '2026-01-01T00:00:00.000Z';
const later = '2026-01-02T00:00:00.000Z';

/** A state that is compared, with a cutover that was refused. */
function ready(changed: Partial<MigrationState> = {}): MigrationState {
  return {
    ...initialState(start),
    phase: 'ready',
    copy: 'done',
    verification: 'done',
    report: cleanReport,
    verifiedAt: start,
    refused: { at: start, blockers: [] },
    ...changed,
  };
}

describe('a restart', () => {
  const calm = { isCutoverAsked: false, isEnding: false };

  it.each<[Phase]>([['copying'], ['waiting'], ['replaying'], ['ready']])(
    'may be in phase %s',
    (phase) => {
      expect(restartProblem({ phase }, calm)).toBeUndefined();
    },
  );

  it.each<[string, Partial<MigrationState>, Partial<typeof calm>]>([
    ['too early', { phase: 'preflight' }, {}],
    ['a cutover is under way', { phase: 'cuttingOver' }, {}],
    ['a cutover is under way', {}, { isCutoverAsked: true }],
    ['the cutover is done', { cutover: report }, {}],
    ['is ending', { aborting: { dropTarget: false } }, {}],
    ['is ending', {}, { isEnding: true }],
    ['is ending', { phase: 'preflight' }, { isEnding: true }],
  ])('is refused: %s', (text, changed, more) => {
    expect(restartProblem(ready(changed), { ...calm, ...more })).toContain(text);
  });

  it('forgets the copy, counts, and is one until the next copy begins', () => {
    const state = ready();
    askRestart(state, { verify: 'full' }, { at: later, reason: 'a test' });
    const asked = { count: 1, at: later, reason: 'a test' };
    expect(state).toMatchObject({ phase: 'copying', copy: 'planned', verification: 'planned' });
    expect(state).toMatchObject({ restarting: true, restarts: asked });
    for (const field of ['report', 'verifiedAt', 'refused'])
      expect(state).not.toHaveProperty(field);
    askRestart(state, { verify: 'full' }, { at: start });
    expect(state.restarts).toEqual(asked);
    const next: MigrationState = ready({ round: 4 });
    askRestart(next, { verify: 'full' }, { at: later });
    expect(next.restarts).toEqual({ count: 5, at: later });
  });

  it('leaves a migration that does not compare as it is', () => {
    const state = ready({ verification: 'none' });
    forgetCopy(state, { verify: 'none' });
    expect(state.verification).toBe('none');
  });

  it('speaks against a cutover until the old copy has ended, whatever it has told last', () => {
    const state = ready({ restarting: true });
    expect(stateBlockers(state).map(({ code }) => code)).toEqual(['copy']);
  });

  it('is shown, and the servers are asked for the copy that goes on', () => {
    const restarts = { count: 2, at: later };
    const state = ready({ restarts, round: 2 });
    const status = buildStatus(state, identity);
    expect(status.restarts).toEqual(restarts);
    expect(buildStatus(ready(), identity).restarts).toBeNull();
    const marked = JSON.stringify(liveStatus(identity, state, status));
    expect(marked.startsWith(LIVE_STATUS_PREFIX)).toBe(true);
    expect(JSON.parse(marked)).toMatchObject({ $live: { round: 2 } });
    const first = JSON.stringify(liveStatus(identity, ready(), status));
    expect((JSON.parse(first) as { $live: object }).$live).not.toHaveProperty('round');
  });
});
