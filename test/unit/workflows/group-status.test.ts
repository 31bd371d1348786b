import { describe, expect, it } from 'vitest';
import { migrateCollectionsInput } from '../../../src/group-options.js';
import { renderGroupDetails } from '../../../src/workflows/group/details.js';
import { GAP } from '../../../src/workflows/markdown.js';
import {
  type GroupState,
  initialGroup,
  type MemberState,
  phaseOfGroup,
} from '../../../src/workflows/group/state.js';
import type { MemberLive } from '../../../src/workflows/group/live.js';
import { buildGroupStatus } from '../../../src/workflows/group/status.js';
import type { Phase } from '../../../src/workflows/phases.js';

const options = migrateCollectionsInput.parse({
  source: 'source',
  target: 'target',
  namespaces: ['shop.*'],
});

const quiet: MemberLive = {
  lagSeconds: 0.1,
  stalled: false,
  copied: { documents: 100, bytes: 1000 },
  eventsPerSecond: 2,
  changesPerSecond: 3,
  events: 20,
  changes: 10,
  compared: 0,
  differences: 0,
  refused: 0,
  shape: [],
  oplogHours: 50,
};

function member(name: string, phase: Phase, fields: Partial<MemberState> = {}): MemberState {
  const namespace = `shop.${name}`;
  return {
    namespace,
    targetNamespace: namespace,
    documents: 100,
    bytes: 1000,
    workflowId: `migrate:source:${namespace}`,
    runId: name,
    phase,
    turn: true,
    ...fields,
  };
}

function stateOf(members: MemberState[], fields: Partial<GroupState> = {}): GroupState {
  const state = { ...initialGroup('2026-01-01T00:00:00.000Z', undefined), members, ...fields };
  return { ...state, phase: phaseOfGroup(state) };
}

function statusOf(state: GroupState, live: Readonly<Record<string, MemberLive>> = {}) {
  return buildGroupStatus(state, { options }, { asOf: '2026-01-01T00:01:40.000Z', members: live });
}

describe('the status of a group', () => {
  it('is as far as the collection that is least far, and sums up all', () => {
    const queued = member('c', 'copying');
    delete queued.turn;
    const copyingSince = '2026-01-01T00:01:00.000Z';
    const state = stateOf([member('a', 'ready'), member('b', 'copying'), queued], { copyingSince });
    const status = statusOf(state, {
      'shop.a': quiet,
      'shop.b': { ...quiet, lagSeconds: 7, copied: { documents: 50, bytes: 500 } },
      'shop.c': { ...quiet, copied: { documents: 0, bytes: 0 }, oplogHours: 20 },
    });
    expect(status).toMatchObject({
      phase: 'copying',
      counts: { all: 3, ready: 1, copying: 1, queued: 1 },
      copied: { documents: 150, bytes: 1500 },
      total: { documents: 300, bytes: 3000 },
      copiedPercent: 50,
      etaSeconds: 40,
      lagSeconds: 7,
      eventsPerSecond: 6,
      changesPerSecond: 9,
      oplogHoursLeft: 20,
      mayCutOver: false,
    });
    expect(status.slowest.map(({ namespace }) => namespace)).toEqual(['shop.c', 'shop.b']);
    expect(status.blockers).toMatchObject([{ code: 'copy' }]);
  });

  it.each([
    ['preflight', ['preflight', 'preflight']],
    ['preflight', ['preflight', 'completed']],
    ['copying', ['preflight', 'copying']],
    ['copying', ['preflight', 'ready']],
    ['ready', ['ready', 'failed']],
  ] as const)('has the phase %s where the collections are in %j', (phase, phases) => {
    const openedAt = '2026-01-01T00:00:30.000Z';
    const members = phases.map((each, index) =>
      member(`${index}`, each, each === 'completed' ? { openedAt } : {}),
    );
    expect(statusOf(stateOf(members)).phase).toBe(phase);
  });

  it('says which collections are indexed, all of whose documents are there', () => {
    const state = stateOf([member('a', 'copying'), member('b', 'copying'), member('c', 'ready')]);
    const status = statusOf(state, {
      // Some were deleted while it was copied.
      'shop.a': { ...quiet, copied: { documents: 98, bytes: 980 }, indexing: true },
      'shop.b': { ...quiet, copied: { documents: 50, bytes: 500 } },
    });
    expect(status).toMatchObject({
      phase: 'copying',
      counts: { all: 3, indexing: 1, copying: 1, ready: 1 },
      collections: [{ phase: 'indexing', copiedPercent: 100 }, { phase: 'copying' }, {}],
    });
    expect(status.slowest.map(({ namespace }) => namespace)).toEqual(['shop.b', 'shop.a']);
  });

  it('has no time left before there is a copy to go by', () => {
    const copying = [member('b', 'copying')];
    const at = (copyingSince: string) => statusOf(stateOf(copying, { copyingSince }), live);
    const live = { 'shop.b': { ...quiet, copied: { documents: 50, bytes: 500 } } };
    expect(at('2026-01-01T00:01:35.000Z').etaSeconds).toBeNull();
    expect(at('2026-01-01T00:01:20.000Z').etaSeconds).toBe(20);
    expect(statusOf(stateOf(copying), live).etaSeconds).toBeNull();
  });

  it('says how fast a collection is copied, while it is', () => {
    const copyingSince = '2026-01-01T00:01:20.000Z';
    const state = stateOf([member('b', 'copying', { copyingSince }), member('c', 'ready')]);
    const live = {
      'shop.b': { ...quiet, copied: { documents: 50, bytes: 500 } },
      'shop.c': quiet,
    };
    const pace = { copiedPerSecond: 3, etaSeconds: 20 };
    expect(statusOf(state, live).collections[0]).toMatchObject(pace);
    expect(statusOf(state, live).collections[1]).not.toHaveProperty('etaSeconds');
    const paused = statusOf({ ...state, paused: true }, live);
    expect(paused.collections[0]).not.toHaveProperty('etaSeconds');
  });

  it('says nothing of the time left where there are more documents than were counted', () => {
    const copyingSince = '2026-01-01T00:01:20.000Z';
    const state = stateOf([member('b', 'copying', { copyingSince, documents: 0 })]);
    const live = { 'shop.b': { ...quiet, copied: { documents: 50, bytes: 500 } } };
    const [line] = statusOf(state, live).collections;
    expect(line).toMatchObject({ copiedPerSecond: 3 });
    expect(line).not.toHaveProperty('etaSeconds');
  });

  it('says how far all are compared, and what differs', () => {
    const of = (phases: readonly Phase[], live: Readonly<Record<string, MemberLive>>) =>
      statusOf(stateOf(phases.map((phase, index) => member('abc'[index] ?? '', phase))), live);
    expect(of(['copying', 'copying'], {}).verification).toEqual({
      state: 'planned',
      documents: 0,
      differing: 0,
    });
    const live = { 'shop.a': { ...quiet, compared: 100 }, 'shop.b': { ...quiet, compared: 40 } };
    const going = of(['ready', 'replaying', 'failed'], live);
    expect(going.verification).toEqual({ state: 'running', documents: 140, differing: 0 });
    expect(going.collections[1]).toMatchObject({ comparedPercent: 40 });
    expect(going).toMatchObject({ captured: { events: 40 }, applied: { changes: 20 } });
    const differing = { 'shop.a': { ...quiet, differences: 3 }, 'shop.b': quiet };
    const done = of(['ready', 'ready'], differing);
    expect(done.verification).toEqual({ state: 'done', documents: 200, differing: 3 });
    expect(done.collections[0]).toMatchObject({ differing: 3 });
    const openedAt = '2026-01-01T00:01:00.000Z';
    const opened = [
      member('a', 'completed', { openedAt, differing: 2 }),
      member('b', 'completed', { openedAt, uncompared: true }),
    ];
    const over = statusOf(stateOf(opened));
    expect(over.verification).toEqual({ state: 'running', documents: 100, differing: 2 });
    expect(over.collections).toMatchObject([{ differing: 2 }, { uncompared: true }]);
    const unread = buildGroupStatus(
      stateOf([member('a', 'ready')]),
      { options },
      { error: 'away' },
    );
    expect(unread.verification).toEqual({ state: 'done', documents: 100, differing: null });
    const before = [member('a', 'completed', { openedAt, earlier: true }), member('b', 'ready')];
    const again = statusOf(stateOf(before), { 'shop.b': quiet });
    expect(again.verification).toEqual({ state: 'done', documents: 100, differing: 0 });
    expect(again.collections[0]).toMatchObject({ uncompared: true });
    const none = { ...options, verify: 'none' as const };
    const unasked = buildGroupStatus(stateOf([member('a', 'ready')]), { options: none });
    expect(unasked.verification.state).toBe('none');
  });

  it('has a plan as long as something is left that it does not leave', () => {
    const plan = {
      kind: 'lag',
      whenLagUnder: 2,
      forSeconds: 60,
      force: [],
      leave: ['shop.b'],
    } as const;
    const openedAt = '2026-01-01T00:01:00.000Z';
    const before = statusOf(stateOf([member('a', 'copying'), member('b', 'ready')], { plan }));
    expect(before).toMatchObject({ cutoverLeave: { count: 1, isReady: false } });
    const ready = [member('a', 'ready'), member('b', 'failed')];
    expect(statusOf(stateOf(ready, { plan })).cutoverLeave).toMatchObject({
      isReady: true,
      needsRetry: false,
    });
    const broken = [member('a', 'ready'), member('b', 'ready'), member('c', 'failed')];
    expect(statusOf(stateOf(broken, { plan })).cutoverLeave).toMatchObject({
      isReady: false,
      needsRetry: true,
    });
    const done = stateOf([member('a', 'completed', { openedAt }), member('b', 'ready')], { plan });
    expect(statusOf(done)).toMatchObject({
      cutoverWhen: null,
      waitingFor: 'cutover (update or signal)',
    });
    // It may be begun anew, and is then cut over by it.
    const failed = stateOf([member('a', 'failed'), member('b', 'ready')], { plan });
    expect(statusOf(failed).cutoverWhen).not.toBeNull();
    const follow = { ...options, follow: true };
    expect(buildGroupStatus(done, { options: follow }).cutoverWhen).not.toBeNull();
  });

  it.each([
    [{ lagSeconds: 30 }, 'lag'],
    [{ lagSeconds: undefined }, 'lag'],
    [{ stalled: true }, 'stalled'],
    [{ still: true }, 'paused'],
    [{ differences: 3 }, 'differences'],
    [{ refused: 2 }, 'refused'],
    [{ shape: [{ what: 'index "a_1"' }] }, 'shape'],
    [{ uncomparedSeconds: 40 }, 'verification'],
  ] as const)('%j of one of them speaks against a cutover', (fields, code) => {
    const state = stateOf([member('a', 'ready'), member('b', 'ready')]);
    expect(statusOf(state, { 'shop.a': quiet, 'shop.b': quiet }).mayCutOver).toBe(true);
    const status = statusOf(state, { 'shop.a': quiet, 'shop.b': { ...quiet, ...fields } });
    expect(status.mayCutOver).toBe(false);
    expect(status.blockers).toMatchObject([{ code, namespace: 'shop.b' }]);
  });

  it('says no where the servers do not answer', () => {
    const state = stateOf([member('a', 'ready')]);
    expect(buildGroupStatus(state, { options }, { error: 'no answer' })).toMatchObject({
      mayCutOver: false,
      blockers: [{ code: 'unknown' }],
      live: { error: 'no answer' },
      // What the group itself knows.
      copied: { documents: 100, bytes: 1000 },
      copiedPercent: 100,
      collections: [{ copiedPercent: 100 }],
    });
    const failed = stateOf([member('a', 'ready'), member('b', 'failed')]);
    expect(buildGroupStatus(failed, { options }, { error: 'no answer' }).copiedPercent).toBe(50);
    expect(statusOf(state).blockers).toMatchObject([{ code: 'unknown' }]);
  });

  it('names what has failed, and what to do', () => {
    const state = stateOf([member('a', 'ready'), member('b', 'failed', { failure: 'no disk' })]);
    const status = statusOf(state, { 'shop.a': quiet });
    expect(status.problems).toMatchObject([{ namespace: 'shop.b', what: 'no disk' }]);
    expect(status.blockers).toMatchObject([{ code: 'failed' }]);
    const page = renderGroupDetails(status).replaceAll(GAP, '');
    expect(page).toContain('**Problem:** `shop.b`: no disk');
    expect(page).toContain('| failed | 1 |');
  });

  it('lists the collections on its page, each with a link to its own', () => {
    const names = ['z', 'a', String.raw`odd|[*\name) 1`];
    const state = stateOf([...names.map((name) => member(name, 'ready')), member('c', 'copying')]);
    const page = renderGroupDetails(statusOf(state, { 'shop.a': quiet })).replaceAll(GAP, '');
    const rows = page.split('\n').filter((line) => line.startsWith('| [shop'));
    expect(rows[0]).toContain(
      '| [shop.c](/namespaces/{namespace}/workflows/migrate%3Asource%3Ashop.c) |',
    );
    expect(rows).toHaveLength(4);
    expect(page).toContain('| Copied | Lag |');
    expect(rows.find((row) => row.includes('[shop.a]'))).toContain(`| ${quiet.lagSeconds} s |`);
    expect(renderGroupDetails(statusOf(state))).not.toContain('| Lag |');
    expect(page).toContain(String.raw`[shop.odd\|\[\*\\name) 1](/namespaces/`);
    expect(page).toContain('shop.odd%7C%5B*%5Cname%29%201) |');
    const many = Array.from({ length: 50 }, (_, index) => member(`c${index}`, 'ready'));
    const long = renderGroupDetails(statusOf(stateOf([...many, member('late', 'copying')]), {}));
    expect(long.split('\n').filter((line) => line.startsWith('| [shop'))[0]).toContain('shop.late');
    expect(long).toContain('And 31 more, all of them under **Relationships**.');
  });

  it.each([
    ['in Latin', 'x', 240],
    ['in Cyrillic', 'ы', 120],
    ['in Chinese', '漢', 80],
  ])('stays under 100 kB, whatever the collections are called: %s', (_how, letter, most) => {
    const long = letter.repeat(most);
    const members = Array.from({ length: 500 }, (_, index) =>
      member(`${index}${long}`, 'failed', {
        failure: letter.repeat(5_000),
        afterwards: Array.from({ length: 3 }, () => letter.repeat(200)),
      }),
    );
    const blockers = members.map(({ namespace }) => ({
      code: 'shape',
      message: letter.repeat(5_000),
      namespace,
    }));
    const refused = { at: '2026-01-01T00:00:00.000Z', blockers };
    const leftOut = members.map(({ namespace }) => ({ namespace, why: 'is a view' }));
    const status = statusOf(stateOf(members, { leftOut, refused }), {});
    expect(status.counts.all).toBe(500);
    expect(status.collections.length + status.collectionsNotShown).toBe(500);
    expect(Buffer.byteLength(JSON.stringify(status))).toBeLessThan(100_000);
    expect(Buffer.byteLength(renderGroupDetails(status))).toBeLessThan(100_000);
  });
});
