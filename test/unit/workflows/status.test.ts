import { describe, expect, it } from 'vitest';
import type { Migration } from '../../../src/migration.js';
import { allBlockers, stateBlockers } from '../../../src/workflows/blockers.js';
import {
  buildStatus,
  initialState,
  type Live,
  type MigrationState,
} from '../../../src/workflows/status.js';
import { cleanReport, report } from '../../helpers/fake-activities.js';
import { options } from '../../helpers/migration.js';

const migration: Pick<Migration, 'options'> = { options };

const none = { differing: 0, missing: 0, extra: 0, first: [] };

const calm: Live = {
  asOf: '2026-01-01T00:10:00.000Z',
  lagSeconds: 0.1,
  stalled: false,
  captured: { events: 100, buffered: 80, bytes: 8000, eventsPerSecond: 5 },
  applied: { changes: 80, changesPerSecond: 5 },
  positions: {
    read: '2026-01-01T00:09:59.900Z',
    buffered: '2026-01-01T00:09:59.800Z',
    applied: '2026-01-01T00:09:59.700Z',
  },
  buffer: { documents: 3, bytes: 300 },
  oplogHours: 48,
  copied: { documents: 1000, bytes: 10_000, read: 1000, partitions: 2, copiedPartitions: 2 },
  verified: { documents: 400, bytes: 4000 },
  differences: none,
};

function state(changed: Partial<MigrationState> = {}): MigrationState {
  const total = { documents: 1000, bytes: 10_000 };
  return { ...initialState('2026-01-01T00:00:00.000Z'), total, ...changed };
}

/** A state in which nothing speaks against a cutover. */
function ready(changed: Partial<MigrationState> = {}): MigrationState {
  return state({
    phase: 'ready',
    copy: 'done',
    verification: 'done',
    report: cleanReport,
    ...changed,
  });
}

const codes = (blockers: readonly { code: string }[]) => blockers.map(({ code }) => code);

describe('indexes and options that the target lacks', () => {
  const shape = [{ what: 'index "a_1"' }, { what: 'index "b_1"', problem: 'too many indexes' }];

  it('speak against a cutover and are named', () => {
    const blockers = allBlockers(ready(), migration, { ...calm, shape });
    expect(codes(blockers)).toEqual(['shape']);
    expect(blockers[0]?.message).toContain('index "a_1", index "b_1" (too many indexes)');
    expect(codes(allBlockers(ready(), migration, { ...calm, shape: [] }))).toEqual([]);
  });

  it('are a problem once the target has refused one', () => {
    expect(buildStatus(ready(), migration, { ...calm, shape }).problem?.what).toBe(
      'the target does not take the index "b_1" of the source: too many indexes',
    );
    const building = { ...calm, shape: shape.slice(0, 1) };
    expect(buildStatus(ready(), migration, building).problem).toBeNull();
  });
});

describe('stateBlockers', () => {
  it.each([
    ['at the start', state(), ['copy', 'verification']],
    ['while it copies', state({ phase: 'copying', copy: 'running' }), ['copy', 'verification']],
    [
      'while it builds indexes',
      state({ phase: 'copying', copy: 'indexes' }),
      ['copy', 'verification'],
    ],
    ['while it waits', state({ phase: 'waiting', copy: 'running' }), ['waiting', 'verification']],
    ['while it compares', ready({ phase: 'replaying', verification: 'running' }), ['verification']],
    ['without comparison', ready({ verification: 'none' }), []],
    ['ready', ready(), []],
    ['paused', ready({ paused: true }), ['paused']],
    ['cutting over', ready({ phase: 'cuttingOver' }), ['cuttingOver']],
    ['aborting', ready({ aborting: { dropTarget: false } }), ['aborting']],
    ['completed', ready({ phase: 'completed' }), ['ended']],
    ['failed', state({ phase: 'failed' }), ['ended', 'copy', 'verification']],
  ])('%s', (_when, given, expected) => {
    expect(codes(stateBlockers(given))).toEqual(expected);
    expect(stateBlockers(given).every(({ message }) => message.length > 10)).toBe(true);
  });
});

describe('allBlockers', () => {
  it.each([
    ['nothing', ready(), calm, []],
    ['the servers were not asked', ready(), undefined, ['unknown']],
    ['capture is silent', ready(), { ...calm, stalled: true }, ['stalled']],
    ['the lag is not known', ready(), { ...calm, lagSeconds: undefined }, ['lag']],
    ['the lag is as large as allowed', ready(), { ...calm, lagSeconds: 10 }, []],
    ['the lag is larger', ready(), { ...calm, lagSeconds: 10.01 }, ['lag']],
    ['it is over', ready({ phase: 'completed' }), { ...calm, stalled: true }, ['ended']],
  ])('when %s', (_when, given, live, expected) => {
    expect(codes(allBlockers(given, migration, live))).toEqual(expected);
  });

  it.each(['differing', 'missing', 'extra'] as const)('when documents are %s', (kind) => {
    const found = { ...calm, differences: { ...none, [kind]: 3 } };
    const [blocker, ...others] = allBlockers(ready(), migration, found);
    expect(blocker?.code).toBe('differences');
    expect(blocker?.message).toContain('3');
    expect(others).toEqual([]);
  });

  it('when changed documents wait long for their comparison', () => {
    const behind = { ...calm, uncomparedSeconds: 20 };
    const [blocker] = allBlockers(ready(), migration, behind);
    expect(blocker).toMatchObject({ code: 'verification' });
    expect(blocker?.message).toContain('20 seconds behind');
    expect(allBlockers(ready({ verification: 'running' }), migration, behind)).toHaveLength(1);
  });

  it('says by how much the lag is too large', () => {
    const [blocker] = allBlockers(ready(), migration, { ...calm, lagSeconds: 99 });
    expect(blocker?.message).toContain('99 seconds');
    expect(blocker?.message).toContain('allowed are 10');
  });
});

describe('buildStatus', () => {
  it('holds what the servers say, each position apart', () => {
    const status = buildStatus(ready(), migration, calm);
    expect(status).toMatchObject({
      phase: 'ready',
      mayCutOver: true,
      blockers: [],
      waitingFor: 'cutover (update or signal)',
      lagSeconds: 0.1,
      stalled: false,
      captured: calm.captured,
      applied: calm.applied,
      copied: { documents: 1000, bytes: 10_000 },
      buffer: { documents: 3, bytes: 300 },
      problem: null,
      live: { asOf: calm.asOf },
    });
    expect(status.positions).toMatchObject(calm.positions);
    expect(status.verification).toEqual({
      state: 'done',
      documents: 30,
      lastPassAt: null,
      bytes: 3000,
      report: cleanReport,
      catalogue: null,
    });
  });

  it('says that it does not know, where the servers could not be read', () => {
    const status = buildStatus(ready(), migration, { error: 'no primary' });
    expect(status).toMatchObject({
      mayCutOver: false,
      lagSeconds: null,
      captured: null,
      applied: null,
      buffer: null,
      oplogHoursLeft: null,
      etaSeconds: null,
      live: { error: 'no primary' },
    });
    expect(codes(status.blockers)).toEqual(['unknown']);
    expect(status.problem?.what).toContain('no primary');
    expect(status.problem?.todo).not.toBe('');
  });

  it('has the fields of the contract, whatever is known', () => {
    const names = ['phase', 'paused', 'lagSeconds', 'captured', 'applied', 'copied', 'total'];
    for (const live of [undefined, calm, { error: 'x' }]) {
      const status = buildStatus(state(), migration, live);
      for (const name of [...names, 'verification', 'blockers', 'problem']) {
        expect(status).toHaveProperty(name);
      }
      // JSON drops what is undefined, and a field that comes and goes cannot be relied upon.
      const top = Object.entries(status).filter(([, value]) => value === undefined);
      expect(top).toEqual([]);
    }
  });

  it('counts what is compared while it compares', () => {
    const comparing = ready({ phase: 'replaying', verification: 'running' });
    delete comparing.report;
    const { verification, positions } = buildStatus(comparing, migration, calm);
    expect(verification).toMatchObject({ documents: 400, bytes: 4000, report: null });
    expect(positions.verified).toBeUndefined();
  });

  it.each([
    ['running', 250, 25],
    ['running', 0, 0],
    ['running', 5000, 100],
    ['indexes', 250, 100],
    ['done', 1000, 100],
  ] as const)('copy %s, %i documents: %d %%', (copy, documents, percent) => {
    const live = { ...calm, copied: { ...calm.copied, documents } };
    expect(buildStatus(state({ copy }), migration, live).copiedPercent).toBe(percent);
  });

  it('has no percent of nothing', () => {
    const empty = state({ copy: 'running', total: { documents: 0, bytes: 0 } });
    const live = { ...calm, copied: { ...calm.copied, documents: 0, bytes: 0 } };
    expect(buildStatus(empty, migration, live).copiedPercent).toBeNull();
  });

  it('knows what was copied when nobody asks the servers any more', () => {
    const total = { documents: 1_000, bytes: 10_000 };
    const aborted = state({ phase: 'aborted', copy: 'done', total });
    expect(buildStatus(aborted, migration)).toMatchObject({ copied: total, copiedPercent: 100 });
    const early = state({ phase: 'aborted', copy: 'running', total });
    expect(buildStatus(early, migration).copied.documents).toBe(0);
  });

  it('never shows more copied than there is', () => {
    const live = { ...calm, copied: { ...calm.copied, documents: 1200, bytes: 12_000 } };
    const { copied, total } = buildStatus(state({ copy: 'running' }), migration, live);
    expect(total).toEqual(copied);
  });

  it('estimates the time left by what was copied, and by what is to be applied', () => {
    const half = { ...calm, copied: { ...calm.copied, documents: 500 } };
    const copyingSince = '2026-01-01T00:05:00.000Z';
    const copying = state({ phase: 'copying', copy: 'running', copyingSince });
    expect(buildStatus(copying, migration, half).etaSeconds).toBe(300);
    const justBegun = { ...copying, copyingSince: '2026-01-01T00:09:55.000Z' };
    expect(buildStatus(justBegun, migration, half).etaSeconds).toBeNull();
    expect(buildStatus({ ...copying, paused: true }, migration, half).etaSeconds).toBeNull();
    const behind = { ...calm, applied: { changes: 30, changesPerSecond: 5 } };
    const replaying = ready({ phase: 'replaying' });
    expect(buildStatus(replaying, migration, behind).etaSeconds).toBe(10);
    const still = { ...calm, applied: { changes: 30, changesPerSecond: 0 } };
    expect(buildStatus(replaying, migration, still).etaSeconds).toBeNull();
    expect(buildStatus(ready(), migration, behind).etaSeconds).toBeNull();
  });

  it('takes from the cutover how far all came, when the servers are asked no more', () => {
    const status = buildStatus(ready({ phase: 'completed', cutover: report }), migration);
    expect(status.captured).toEqual({ events: 12, buffered: 11, bytes: 1200, eventsPerSecond: 0 });
    expect(status.applied).toEqual({ changes: 11, changesPerSecond: 0 });
    expect(status.positions.applied).toBe('2023-11-14T22:13:20.000Z');
  });

  it('subtracts from the hours of history what is not read yet', () => {
    const buffered = '2025-12-31T23:10:00.000Z';
    const late = { ...calm, positions: { ...calm.positions, buffered } };
    expect(buildStatus(ready(), migration, late).oplogHoursLeft).toBe(47);
    expect(buildStatus(ready(), migration, { ...late, oplogHours: 0.5 }).oplogHoursLeft).toBe(0);
    expect(
      buildStatus(ready(), migration, { ...late, oplogHours: undefined }).oplogHoursLeft,
    ).toBeNull();
  });

  it.each([
    ['paused', ready({ paused: true }), 'resume (update or signal)'],
    ['waiting', state({ phase: 'waiting' }), 'restore (update or signal)'],
    ['waiting and paused', state({ phase: 'waiting', paused: true }), 'resume (update or signal)'],
    ['copying', state({ phase: 'copying' }), null],
    ['completed while paused', ready({ phase: 'completed', paused: true }), null],
  ])('says what it waits for: %s', (_when, given, expected) => {
    expect(buildStatus(given, migration, calm).waitingFor).toBe(expected);
  });

  it('tells a problem: what failed, else what Temporal says, else that capture is silent', () => {
    const problem = { what: 'the activity capture fails, attempt 5: no primary', todo: 'mend it' };
    const stalled = { ...calm, stalled: true };
    expect(buildStatus(ready(), migration, { ...stalled, problem }).problem).toEqual(problem);
    expect(buildStatus(ready(), migration, stalled).problem?.what).toContain('30 s');
    const standsSince = '2026-01-01T00:00:00.000Z';
    expect(buildStatus(ready(), migration, { ...stalled, standsSince }).problem).toMatchObject({
      what: expect.stringContaining('brings nothing although the source goes on'),
      since: standsSince,
    });
    expect(buildStatus(state(), migration, stalled).problem).toBeNull();
    const failed = ready({ phase: 'failed', failure: 'the oplog is too short' });
    expect(buildStatus(failed, migration, { ...calm, problem }).problem?.what).toBe(
      'the oplog is too short',
    );
    expect(buildStatus(ready({ phase: 'completed' }), migration, stalled).problem).toBeNull();
  });

  it('shows a cutover, what followed it and what it was refused for', () => {
    const refused = { at: '2026-01-01T00:00:00.000Z', blockers: [{ code: 'lag', message: 'm' }] };
    const done = ready({
      phase: 'completed',
      cutover: report,
      lateWrites: { count: 1, first: ['5'] },
      left: ['shop.orders'],
      refused,
    });
    expect(buildStatus(done, migration)).toMatchObject({
      cutover: report,
      openedAt: report.openedAt,
      lateWrites: { count: 1 },
      left: ['shop.orders'],
      lastRefusal: refused,
      mayCutOver: false,
    });
  });
});
