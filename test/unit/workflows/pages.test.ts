import { describe, expect, it } from 'vitest';
import { renderDetails } from '../../../src/workflows/details.js';
import {
  LIVE_DETAILS,
  LIVE_STATUS_PREFIX,
  liveDetails,
  liveStatus,
} from '../../../src/workflows/live.js';
import { isFinal, type Phase, storyPhases } from '../../../src/workflows/phases.js';
import {
  buildStatus,
  initialState,
  type Live,
  type MigrationState,
} from '../../../src/workflows/status.js';
import { duration, GAP, historyLeft, table } from '../../../src/workflows/markdown.js';
import { report } from '../../helpers/fake-activities.js';
import { identity } from '../../helpers/migration.js';

function page(changed: Partial<MigrationState>, live?: Parameters<typeof buildStatus>[2]): string {
  const state = { ...initialState('2026-01-01T00:00:00.000Z'), ...changed };
  return renderDetails(buildStatus(state, identity, live)).replaceAll(GAP, '');
}

const busy: Live = {
  asOf: '2026-01-01T00:10:00.000Z',
  lagSeconds: 0.5,
  stalled: true,
  captured: { events: 4_321, buffered: 1, bytes: 1, eventsPerSecond: 77 },
  applied: { changes: 4_000, changesPerSecond: 76 },
  positions: { buffered: '2026-01-01T00:09:59.000Z', applied: '2025-12-31T23:09:58.000Z' },
  oplogHours: 24,
  copied: { documents: 1_000_000, bytes: 1, read: 1, partitions: 1, copiedPartitions: 1 },
  indexBuild: {
    message: 'Index Build: scanning collection',
    done: 1_500,
    total: 2_000,
    elapsedSeconds: 7,
  },
  verified: { documents: 55, bytes: 5 },
  differences: { differing: 0, missing: 0, extra: 0, first: [] },
};

describe('phases', () => {
  it('three of them are final', () => {
    const phases: Phase[] = [...storyPhases.map(([phase]) => phase), 'aborted', 'failed'];
    expect(phases.filter(isFinal).toSorted()).toEqual(['aborted', 'completed', 'failed']);
    expect(phases).toHaveLength(9);
  });
});

describe('the page of a migration', () => {
  it('marks what is done, what goes on, and leaves out a wait that is none', () => {
    const text = page({ phase: 'replaying' });
    expect(text).toContain('## source:shop.orders → target:shop.orders');
    expect(text).toContain('**replaying**');
    const rows = text.split('\n').filter((line) => /^\| [✓▶·]/.test(line));
    const marks = rows.map((row) => row.slice(2, 3));
    expect(marks.slice(0, 5)).toEqual(['✓', '✓', '▶', '·', '·']);
    expect(text).not.toContain('Waiting for');
    expect(page({ phase: 'waiting' })).toContain('| ▶ **Waiting for `restore`');
    expect(page({ phase: 'completed' })).not.toContain('▶');
  });

  it('says that the copy has begun anew', () => {
    const at = '2026-01-02T00:00:00.000Z';
    expect(page({ restarts: { count: 1, at } })).toContain(`| Copy begun anew | at ${at} |`);
    expect(page({ restarts: { count: 3, at } })).toContain(`| 3 times, the last time at ${at} |`);
  });

  it('answers whether it may cut over, with reasons', () => {
    const text = page({ phase: 'copying' });
    expect(text).toContain('**May it cut over? No, because:**');
    expect(text).toContain('- the copy is not finished (`copy`)');
    const blockers = [{ code: 'lag', message: 'the target is 99 seconds behind' }];
    const refused = page({ refused: { at: '2026-01-01T00:00:00.000Z', blockers } });
    expect(refused).toContain('was refused: the target is 99 seconds behind');
    expect(page({ phase: 'completed' })).not.toContain('May it cut over');
  });

  it('shows what people have to know', () => {
    const text = page({
      paused: true,
      warnings: ['the oplog is short'],
      rejected: [{ at: '2026-01-01T00:00:00.000Z', message: 'unknown signal "x"' }],
    });
    for (const part of [
      '(paused)',
      '> Warning: the oplog is short',
      '> Not understood (2026-01-01T00:00:00.000Z): unknown signal "x"',
      'it waits for resume (update or signal)',
      '| Lag | not known yet |',
    ]) {
      expect(text).toContain(part);
    }
    expect(page({ phase: 'failed', failure: 'no oplog' })).toContain('**Problem:** no oplog.');
    expect(page({ phase: 'aborted', left: ['shop.orders'] })).toContain(
      'Left at the target: shop.orders',
    );
  });

  it('says where in the UI the next step is', () => {
    const ready = page({ phase: 'ready' });
    expect(ready).toContain('**Next:** it waits for cutover (update or signal). Stop the writers');
    expect(ready).toContain('**More Actions**, **Send an Update**, `cutover`.');
    expect(page({ phase: 'waiting' })).toContain(
      'restore (update or signal). Open **More Actions**, **Send an Update**, `restore`.',
    );
    const member = page({ phase: 'ready', group: 'migrate:source:a.*,b.*' });
    expect(member).toContain(String.raw`the cutover of its group, migrate:source:a.\*,b.\*.`);
    expect(member).not.toContain('Send an Update');
    expect(page({ phase: 'copying' })).not.toContain('**Next:**');
  });

  it('shows the cutover that is planned', () => {
    const at = '2026-12-01T02:00:00.000Z';
    const timed = page({ plan: { kind: 'at', at, force: [] } });
    expect(timed).toContain(`| Cutover planned at | ${at} |`);
    const low = page({ plan: { kind: 'lag', whenLagUnder: 2, forSeconds: 60, force: [] } });
    expect(low).toContain('| Cutover planned | when the lag has been 2 s or less for 60 s |');
    expect(page({ plan: { kind: 'at', at, force: [] }, cutover: report })).not.toContain(
      'Cutover planned',
    );
  });

  it('shows limits, and not those that there are not', () => {
    const text = page({ phase: 'copying', tuned: { verifyDocumentsPerSecond: 5_000 } });
    expect(text).toContain('| `verifyDocumentsPerSecond` | 5,000 |');
    expect(text).not.toContain('verifyBytesPerSecond');
  });

  it('shows the counters', () => {
    const text = page(
      {
        phase: 'replaying',
        copy: 'done',
        verification: 'running',
        total: { documents: 1_234_567, bytes: 1 },
      },
      busy,
    );
    for (const part of [
      '(stalled)',
      '| Copied | 1,000,000 of 1,234,567 documents (100 %) |',
      '| Lag | 0.5 s |',
      '| Captured | 4,321 events, 1 changes kept, 77/s, up to 00:09:59 UTC |',
      '| Applied | 4,000 changes, 76/s, up to 2025-12-31 23:09:58 UTC |',
      '| Indexes | Index Build: scanning collection, 1,500 of 2,000, for 7 s |',
      '| Compared | 55 documents (running) |',
      '| History left | 24 hours at the source |',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('says how fast the buffer grows, where that is not nothing', () => {
    const text = (growth: number) =>
      page({ phase: 'replaying' }, { ...busy, buffer: { documents: 9, bytes: 2e6, growth } });
    expect(text(1.26e6)).toContain('| Buffer | 2 MB, grows by 1.3 MB/s |');
    expect(text(99_999)).toContain('| Buffer | 2 MB |');
    expect(text(-1e6)).toContain('| Buffer | 2 MB |');
  });

  it('shows the cutover and the writes that came too late', () => {
    const text = page({
      phase: 'completed',
      cutover: report,
      lateWrites: { count: 2, first: ['5', '"a"'] },
    });
    expect(text).toContain(`| Open for applications since | ${report.openedAt} |`);
    expect(text).toContain('| Downtime | 250 ms |');
    expect(text).toContain('> 2 writes reached the source after the fence');
    expect(text).toContain('5, "a"');
    expect(text).toContain('| Captured | 12 events, 11 changes kept |');
    expect(text).toContain('| Applied | 11 changes |');
    expect(text).not.toContain('| Lag |');
  });
});

describe('a table', () => {
  it('has room between its columns, and numbers at the right', () => {
    const text = table(['Name', '>Count'], [['a', '1']]);
    expect(text).toBe(`| Name${GAP} | Count |\n|:---|---:|\n| a${GAP} | 1 |`);
  });
});

describe('times', () => {
  it.each([
    [0, '0 s'],
    [119, '119 s'],
    [120, '2 min'],
    [7_199, '119 min'],
    [7_200, '2 hours'],
    [172_800, '2 days'],
    [86_400_000, '1,000 days'],
  ])('%i seconds are %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it('of the history are not more than what the status says', () => {
    expect(historyLeft(743)).toBe('30 days at the source');
    expect(historyLeft(744)).toBe('31 days or more at the source');
    expect(historyLeft(0.5)).toBe('30 min at the source');
  });
});

describe('the mark for what the servers say', () => {
  const state = initialState('2026-01-01T00:00:00.000Z');
  const status = buildStatus(state, identity);

  it('is the very first of an answer, until nothing changes any more', () => {
    const marked = liveStatus(identity, state, status);
    expect(JSON.stringify(marked).startsWith(LIVE_STATUS_PREFIX)).toBe(true);
    expect(marked).toMatchObject({ $live: identity, state, phase: 'preflight' });
    for (const phase of ['completed', 'aborted', 'failed'] as const) {
      expect(liveStatus(identity, { ...state, phase }, status)).toBe(status);
    }
  });

  it('is a comment before the page, whatever is in it', () => {
    const tricky = { ...state, warnings: ['a --> b', '--', '---', '<!-- x -->'] };
    const marked = liveDetails(identity, tricky, '# page');
    const { start, end } = LIVE_DETAILS;
    expect(marked.startsWith(start)).toBe(true);
    expect(marked.endsWith(`${end}# page`)).toBe(true);
    const mark: unknown = JSON.parse(marked.slice(start.length, marked.indexOf(end)));
    expect(mark).toEqual({ $live: identity, state: tricky });
    expect(liveDetails(identity, { ...state, phase: 'completed' }, '# page')).toBe('# page');
  });

  it('names no more than is needed to find the servers', () => {
    const more = { ...identity, traits: { secret: 1 } };
    expect(JSON.stringify(liveStatus(more, state, status))).not.toContain('secret');
  });
});
