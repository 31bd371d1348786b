import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import pico from 'picocolors';
import { describe, expect, it } from 'vitest';
import { blockerTodos, groupBlockerTodos } from '../../../src/cli/next-step.js';
import { HANG } from '../../../src/cli/output.js';
import { renderComparison } from '../../../src/cli/render-comparison.js';
import { renderMigration, type Screen } from '../../../src/cli/render-migration.js';
import { renderOverview } from '../../../src/cli/overview.js';
import { renderTable } from '../../../src/cli/table.js';
import type { ComparisonView, MigrationView, View } from '../../../src/cli/view.js';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import { buildVerifyStatus } from '../../../src/workflows/verify-status.js';
import { comparisonReport } from '../../helpers/fake-activities.js';
import { statusOf } from '../../helpers/migration-status.js';
import { takenAs } from '../../helpers/taken-as.js';

const pipe: Screen = { isLive: false, columns: 80, colors: pico.createColors(false) };
const terminal: Screen = { isLive: true, columns: 60, colors: pico.createColors(true) };

const view: View<never> = {
  workflowId: 'migrate:source:a.b',
  runId: 'run',
  type: 'migrateCollection',
  state: 'running',
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: null,
  input: null,
  status: null,
  noAnswer: null,
  failure: null,
  underway: [],
};

function viewOf(
  status: Partial<MigrationStatus>,
  more: Partial<MigrationView> = {},
): MigrationView {
  return { ...view, status: statusOf(status), ...more };
}

function textOf(shown: MigrationView, screen = pipe): string {
  return renderMigration(shown, screen, { copyPerSecond: 5_000 })
    .map((line) => line.replace(HANG, ''))
    .join('\n');
}

const amounts = {
  copied: { documents: 5_000, bytes: 2_000_000 },
  total: { documents: 20_000, bytes: 8_000_000 },
  copiedPercent: 25,
};

describe('a migration in a pipe', () => {
  it('says what limits there are, and those of the copy while it goes on', () => {
    const { settings } = statusOf({});
    const limited = { ...settings, copyDocumentsPerSecond: 5_000, verifyBytesPerSecond: 2_000_000 };
    const copying = textOf(viewOf({ phase: 'copying', ...amounts, settings: limited }));
    expect(copying).toContain('limits      copy at most 5,000 documents/s; compare at most 2 MB/s');
    const ready = textOf(viewOf({ phase: 'ready', copiedPercent: 100, settings: limited }));
    expect(ready).toContain('limits      compare at most 2 MB/s');
    const gentle = { ...settings, captureDocumentsPerSecond: 900, replayBatch: 500 };
    expect(textOf(viewOf({ phase: 'ready', settings: gentle }))).toContain(
      'limits      capture at most 900 documents/s; apply at most 500 at once',
    );
    expect(textOf(viewOf({ phase: 'ready' }))).not.toContain('limits');
  });

  it('says that the copy has begun anew', () => {
    const at = '2026-01-02T03:04:05.000Z';
    const text = (times: number) => textOf(viewOf({ restarts: { count: times, at } }));
    expect(text(1)).toMatch(/^ *restarted +at 2026-01-0/m);
    expect(text(2)).toMatch(/^ *restarted +2 times, last at 2026-01-0/m);
    expect(textOf(viewOf({}))).not.toContain('restarted');
  });

  it('says how full the buffer is, where it has a limit or grows', () => {
    const buffer = {
      documents: 10,
      bytes: 20_000_000,
      bytesPerSecond: 2_000_000,
      limitBytes: 50_000_000,
      fullInSeconds: 15,
      fullSince: null,
    };
    const text = (more: Partial<typeof buffer> | { readonly fullSince: string }) =>
      textOf(viewOf({ phase: 'replaying', buffer: { ...buffer, ...more } }));
    expect(text({})).toContain('buffer      20 MB of at most 50 MB, grows by 2 MB/s, full in 15');
    const unlimited = { ...buffer, limitBytes: null, fullInSeconds: null };
    expect(textOf(viewOf({ phase: 'replaying', buffer: unlimited }))).toContain(
      'buffer      20 MB, grows by 2 MB/s\n',
    );
    expect(text({ fullSince: '2026-01-01T00:00:00.000Z' })).toContain(
      '20 MB of at most 50 MB, full\n',
    );
    const still = { ...unlimited, bytesPerSecond: 0 };
    expect(textOf(viewOf({ phase: 'replaying', buffer: still }))).not.toContain('buffer  ');
  });

  it('says when it will cut over by itself', () => {
    const at = '2026-12-01T02:00:00.000Z';
    const text = textOf(viewOf({ phase: 'ready', mayCutOver: true, cutoverAt: at }));
    expect(text).toMatch(/planned +by itself at .*2026-12-01T02:00:00\.000Z/);
    expect(text).toContain('stop the writers before');
    const cutoverWhen = { whenLagUnder: 2, forSeconds: 60 };
    const low = textOf(viewOf({ phase: 'replaying', cutoverWhen }));
    expect(low).toMatch(/planned +by itself once the lag has been at most 2 s for 60 s/);
    const auto = textOf(viewOf({ phase: 'ready', mayCutOver: true, cutoverAuto: true }));
    expect(auto).toMatch(/planned +by itself as soon as nothing speaks against it/);
    expect(auto).toContain('stop the writers: it cuts over by itself');
    expect(auto).toContain('--withdraw');
  });

  it('says how far the copy is, how fast, and how long it takes', () => {
    const text = textOf(viewOf({ phase: 'copying', ...amounts, etaSeconds: 3 }));
    expect(text).toContain('source:a.b → target:a.b  copying');
    expect(text).toContain('copy        25 %, 5,000 of 20,000 documents, 5,000/s, 3.0 s left');
    expect(text).toContain('cutover     not yet');
    // oxlint-disable-next-line no-control-regex -- escape codes are what is looked for
    expect(text).not.toMatch(/\u001B|█/);
  });

  it('says that indexes are built once all is copied', () => {
    const indexing = viewOf({ phase: 'copying', ...amounts, copiedPercent: 100 });
    expect(textOf(indexing)).toContain('source:a.b → target:a.b  indexing\n');
    expect(textOf(indexing)).toContain('building indexes');
    const output = takenAs<Parameters<typeof renderOverview>[2]>(pipe);
    expect(renderOverview([indexing], new Map(), output)[1]).toMatch(/^a\.b +indexing +100 %/);
    expect(textOf(viewOf({ phase: 'replaying', copiedPercent: 100 }))).not.toContain('index');
  });

  it('says what was read while a dump has written nothing yet', () => {
    const copied = { documents: 0, bytes: 2_000_000 };
    const text = textOf(viewOf({ phase: 'copying', ...amounts, copied, copiedPercent: 0 }));
    expect(text).toContain('0 of 20,000 documents, 2 MB of 8 MB read');
  });

  it('names each blocker, with what to do', () => {
    const blockers = [{ code: 'lag', message: 'the target is 30 seconds behind' }];
    const text = textOf(viewOf({ phase: 'ready', mayCutOver: false, blockers, lagSeconds: 30 }));
    expect(text).toContain('lag         30 s');
    expect(text).toContain('the target is 30 seconds behind (lag)');
    expect(text).toContain('→ wait until it has caught up');
  });

  it('says what comes next', () => {
    expect(textOf(viewOf({ phase: 'waiting' }))).toContain('next        csm restore a.b');
    expect(textOf(viewOf({ phase: 'copying', paused: true }))).toContain('csm resume a.b');
    const ready = textOf(viewOf({ phase: 'ready', mayCutOver: true, blockers: [] }));
    expect(ready).toContain('nothing speaks against it');
    expect(ready).toContain('stop the writers, then: csm cutover a.b');
  });

  it('shows problems, late writes and what is left', () => {
    const problem = { what: 'the activity capture fails', todo: 'mend it' };
    expect(textOf(viewOf({ phase: 'copying', problem }))).toContain('capture fails; mend it');
    const lateWrites = { count: 2, first: ['1', '2'] };
    expect(textOf(viewOf({ phase: 'completed', lateWrites }))).toContain('2 writes reached');
    expect(textOf(viewOf({ phase: 'aborted', left: ['shop.orders'] }))).toContain('shop.orders');
  });

  it('tells what Temporal knows where no worker answers', () => {
    const underway = [
      { activity: 'capture', attempt: 4, lastHeartbeat: null, lastFailure: 'not primary' },
    ];
    const text = textOf({ ...view, noAnswer: 'no worker answers', underway });
    expect(text).toContain('migrate:source:a.b  running');
    expect(text).toContain('no worker answers');
    expect(text).toContain('attempt 4; the attempt before failed: not primary');
  });
});

describe('a migration on a terminal', () => {
  it('has bars, and rows that fit 60 columns', () => {
    const lines = renderMigration(viewOf({ phase: 'copying', ...amounts }), terminal);
    const plain = lines.map((line) => stripVTControlCharacters(line).replace(HANG, ''));
    expect(plain.join('\n')).toContain('██░░░░░░░░  25 %');
    expect(Math.max(...plain.map((line) => line.length))).toBeLessThanOrEqual(60);
  });
});

describe('blockers', () => {
  it('have all of them something to do', () => {
    const page = readFileSync(new URL('../../../docs/status.md', import.meta.url), 'utf8');
    const section = page.slice(page.indexOf('## Blockers'));
    const codes = [...section.matchAll(/^\| `(\w+)`/gm)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(10);
    const known = Object.keys({ ...blockerTodos, ...groupBlockerTodos });
    expect(known).toEqual(expect.arrayContaining(codes));
  });
});

describe('several migrations', () => {
  const output = takenAs<Parameters<typeof renderOverview>[2]>(pipe);

  it('are a row each, with their problems below', () => {
    const problem = { what: 'it fails', todo: 'mend it' };
    const lines = renderOverview(
      [
        viewOf({ phase: 'copying', ...amounts, problem }),
        { ...view, workflowId: 'migrate:eu:a.c', noAnswer: 'no worker answers' },
      ],
      new Map([['migrate:source:a.b', 1_000]]),
      output,
    );
    expect(lines[0]).toMatch(/^MIGRATION +PHASE +COPY +RATE/);
    expect(lines[1]).toMatch(/^a\.b +copying +25 % +1,000\/s/);
    expect(lines[2]).toMatch(/^a\.c --source eu +no answer$/);
    expect(lines.slice(3)).toEqual(['a.b: it fails; mend it', 'no worker answers']);
  });

  it('are none', () => {
    expect(renderOverview([], new Map(), output)).toEqual(['no migration is running']);
  });
});

describe('a table', () => {
  const columns = [
    { head: 'NAME', cell: (text: string) => text },
    { head: 'LESS', cell: () => 'x'.repeat(20), spare: 1 },
    { head: 'LEAST', cell: () => 'y'.repeat(20), spare: 2 },
  ];

  it('spares columns where there is no room, and never the first', () => {
    expect(renderTable(['a'], columns, 100)[0]).toMatch(/NAME +LESS +LEAST/);
    expect(renderTable(['a'], columns, 40)[0]).toMatch(/NAME +LESS$/);
    expect(renderTable(['a'], columns, 5)).toEqual(['NAME', 'a']);
  });
});

describe('a comparison', () => {
  const options = { source: 'a', target: 'b', namespace: 'c.d', targetNamespace: 'c.d' };
  const comparisonOf = (report: typeof comparisonReport): ComparisonView => ({
    ...view,
    type: 'verifyCollection',
    state: 'completed',
    status: buildVerifyStatus({ phase: 'completed', startedAt: '', report }, { options }),
  });

  it('says whether both sides are equal, and what differs', () => {
    const equal = {
      ...comparisonReport,
      equal: true,
      differing: 0,
      missing: 0,
      extra: 0,
      first: [],
    };
    expect(renderComparison(comparisonOf(equal), pipe)[0]).toBe('a:c.d = b:c.d  equal');
    const first = [{ id: '1', kind: 'differs', field: 'x.y', what: 'value' }] as const;
    const unequal = { ...equal, equal: false, differing: 3, first };
    const text = renderComparison(comparisonOf(unequal), pipe).join('\n').replaceAll(HANG, '');
    expect(text).toContain('not equal');
    expect(text).toContain('differs     1: x.y, value');
    expect(text).toContain('and 2 more documents');
  });
});
