import { describe, expect, it } from 'vitest';
import { requireGoodEnd } from '../../../src/cli/ending.js';
import { describeBlockers, nextStep } from '../../../src/cli/next-step.js';
import { renderOverview } from '../../../src/cli/overview.js';
import { renderMigration } from '../../../src/cli/render-migration.js';
import type { GroupBlocker } from '../../../src/group.js';
import { leastFarFirst } from '../../../src/workflows/group/least-far.js';
import type { GroupStatus } from '../../../src/workflows/group/status.js';
import { statusOf } from '../../helpers/migration-status.js';
import { takenAs } from '../../helpers/taken-as.js';
import { copying, line, pipe, viewOf } from './group-views.js';

describe('collections', () => {
  it('are ordered by how far they are, then by lag', () => {
    const order = leastFarFirst([
      line('a.done', { phase: 'completed' }),
      line('a.late', { lagSeconds: 9 }),
      line('a.ready'),
      line('a.half', { phase: 'copying', copiedPercent: 50 }),
      line('a.queued', { phase: 'queued', copiedPercent: 0 }),
      line('a.broken', { phase: 'failed', copiedPercent: null }),
    ]);
    expect(order.map(({ namespace }) => namespace)).toEqual(
      ['broken', 'queued', 'half', 'late', 'ready', 'done'].map((name) => `a.${name}`),
    );
  });

  it('do not change places for a lag that is hardly another', () => {
    const order = leastFarFirst([
      line('a.two', { lagSeconds: 4.9 }),
      line('a.one', { lagSeconds: 0.1 }),
      line('a.three', { lagSeconds: 5 }),
    ]);
    expect(order.map(({ namespace }) => namespace)).toEqual(['a.three', 'a.one', 'a.two']);
  });
});

describe('all migrations', () => {
  const output = takenAs<Parameters<typeof renderOverview>[2]>(pipe);

  it('show the collections of a group below it, the first of many', () => {
    const names = Array.from(
      { length: 11 },
      (_, index) => `shop.c${String(index).padStart(2, '0')}`,
    );
    const problems = [{ namespace: 'shop.c00', what: 'it fails', todo: 'mend it' }];
    const collections = names.map((name) => line(name));
    const lines = renderOverview(
      [viewOf({ ...copying, counts: { all: 11 }, collections, problems })],
      new Map([['migrate:source:shop.*,crm.people', 1_000]]),
      output,
    );
    expect(lines[1]).toMatch(/^'shop\.\*,crm\.people' +copying +25 % +1,000\/s/);
    expect(lines[2]).toMatch(/^ {2}shop\.c00 +ready +100 % +equal +0\.2 s$/);
    expect(lines[12]).toBe('  and 1 more');
    expect(lines[13]).toBe("'shop.*,crm.people': shop.c00: it fails; mend it");
  });
});

describe('blockers of a group', () => {
  it('are told by code, with what to do once', () => {
    const blockers: GroupBlocker[] = [
      ...Array.from({ length: 7 }, (_, index) => ({
        code: 'target',
        message: 'is in the way',
        namespace: `shop.${index}`,
      })),
      { code: 'none', message: 'no collection is left' },
    ];
    expect(describeBlockers(blockers, 'migrate:source:shop.*')).toEqual([
      ...[0, 1, 2, 3, 4].map((index) => `shop.${index}: is in the way (target)`),
      'and of 2 more collections (target)',
      '  → drop or rename what has its name there, and have the target copied anew: csm restart <namespace>',
      'no collection is left (none)',
      "  → csm retry 'shop.*'",
    ]);
  });

  it('lead from a collection to its group', () => {
    const blockers = [{ code: 'group', message: 'it is cut over with its group' }];
    const lines = describeBlockers(blockers, 'migrate:eu:shop.a', 'migrate:eu:shop.*');
    expect(lines[1]).toBe("  → csm cutover 'shop.*' --source eu");
  });
});

describe('a collection of a group', () => {
  it('is cut over with it', () => {
    const view = {
      ...viewOf({}),
      type: 'migrateCollection',
      workflowId: 'migrate:source:shop.a',
      input: { group: 'migrate:source:shop.*' },
      status: statusOf({ phase: 'ready', mayCutOver: true, blockers: [] }),
    };
    expect(nextStep(view)).toBe("stop the writers, then: csm cutover 'shop.*'");
    expect(renderMigration(view, pipe).join('\n')).toContain('it comes with migrate:source:shop.*');
  });
});

describe('the end of a group', () => {
  it('is good only where all were cut over', () => {
    const ended = (counts: GroupStatus['counts']) =>
      viewOf({ phase: 'completed', counts }, { state: 'completed' });
    expect(() => requireGoodEnd(ended({ all: 2, completed: 2 }))).not.toThrow();
    expect(() => requireGoodEnd(ended({ all: 3, completed: 1, failed: 1, aborted: 1 }))).toThrow(
      '2 collections of migrate:source:shop.*,crm.people ended without a cutover',
    );
  });
});
