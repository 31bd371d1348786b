import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { renderLive } from '../../../src/cli/follow.js';
import { HANG, Output } from '../../../src/cli/output.js';
import { renderCollections, renderGroup } from '../../../src/cli/render-group.js';
import type { Extras } from '../../../src/cli/render-migration.js';
import type { GroupView } from '../../../src/cli/view.js';
import type { GroupStatus } from '../../../src/workflows/group/status.js';
import { COLUMNS, copying, groupStatus, line, pipe, terminal, viewOf } from './group-views.js';

function textOf(view: GroupView, screen = pipe, extras: Extras = {}): string {
  return renderGroup(view, screen, extras)
    .map((each) => each.replace(HANG, ''))
    .join('\n');
}

describe('a group in a pipe', () => {
  it('is told as a whole', () => {
    expect(textOf(viewOf(copying), pipe, { copyPerSecond: 1_200 })).toBe(
      [
        'source:shop.*, crm.people → target  copying',
        '  collections 12: 1 queued, 2 copying, 9 ready',
        '  copy        25 %, 5,000 of 20,000 documents',
        '  left        1m 30s at 1,200 documents/s',
        '  at once     2 collections, 2 partitions of each',
        '  changes     98/s captured, 97/s applied',
        '  compare     later',
        '  lag         0.4 s at most',
        '  history     31 days or more left at the source',
        '  slowest     shop.carts  copying, copied 12.5 %',
        '  cutover     not yet',
      ].join('\n'),
    );
  });

  it('says all that speaks against its beginning, a line each', () => {
    const failure = '2 things speak against this migration:\n- a.b: is there\n- a.c: is there';
    const failed = viewOf({ phase: 'failed' }, { state: 'failed', failure });
    expect(textOf(failed)).toBe(
      [
        'source:shop.*, crm.people → target  failed',
        '  problem     2 things speak against this migration:',
        '              - a.b: is there',
        '              - a.c: is there',
      ].join('\n'),
    );
  });

  it('says how fast it is copied, as far as it is known', () => {
    const known = (etaSeconds: number | null, extras: Extras) =>
      textOf(viewOf({ ...copying, etaSeconds }), pipe, extras);
    expect(known(90, {})).toContain('left        1m 30s\n');
    expect(known(null, { copyPerSecond: 1 })).toContain('rate        1 document/s\n');
    expect(known(null, {})).not.toMatch(/rate|left {2}/);
  });

  it('says what is paused, left out, has appeared, and is wrong', () => {
    const text = textOf(
      viewOf({
        ...copying,
        paused: true,
        leftOut: { count: 7, first: [{ namespace: 'shop.view', why: 'is a view' }] },
        appeared: { count: 1, first: ['shop.new'] },
        problems: [
          { what: 'capture fails', todo: 'mend it' },
          { namespace: 'shop.a', what: 'disk full', todo: 'send retry' },
        ],
        live: { error: 'no answer within 3 s' },
        warnings: ['shop.a: old version'],
        blockers: [{ code: 'paused', message: 'the migration is paused: send resume' }],
      }),
    );
    for (const part of [
      'copying (paused)',
      'left out    shop.view is a view\n              and 6 more',
      'appeared    shop.new: not taken up',
      'problem     capture fails; mend it\n              shop.a: disk full; send retry',
      'the servers could not be asked: no answer within 3 s',
      'warning     shop.a: old version',
      "next        csm resume 'shop.*,crm.people'",
    ]) {
      expect(text).toContain(part);
    }
  });

  it('says whether all may be cut over, and why not', () => {
    const ready = { ...copying, phase: 'ready', counts: { all: 2, ready: 2 } } as const;
    const free = textOf(viewOf({ ...ready, mayCutOver: true, blockers: [] }));
    expect(free).toContain('cutover     nothing speaks against it');
    expect(free).toContain("stop the writers, then: csm cutover 'shop.*,crm.people'");
    const blockers = [
      { code: 'lag', message: 'the target is 9 seconds behind', namespace: 'shop.a' },
      { code: 'failed', message: 'shop.b ended without a cutover' },
    ];
    const blocked = textOf(viewOf({ ...ready, mayCutOver: false, blockers }));
    expect(blocked).toContain('cutover     shop.a: the target is 9 seconds behind (lag)');
    expect(blocked).toContain("→ where its migration has failed: csm retry 'shop.*,crm.people';");
    expect(blocked).toContain(
      'where the cutover itself has: mend what it names and send it again;',
    );
    expect(blocked).toContain("without: csm cutover 'shop.*,crm.people' --leave <namespace>");
    expect(blocked).toContain("next        csm retry 'shop.*,crm.people'");
  });

  it('has writers stopped for a plan that leaves some once the others are ready, and no sooner', () => {
    const cutoverWhen = { whenLagUnder: 2, forSeconds: 60 };
    const blockers = [{ code: 'failed', message: 'shop.carts ended without a cutover' }];
    const planned = (isReady: boolean, needsRetry: boolean) => {
      const cutoverLeave = { count: 1, first: ['shop.carts'], isReady, needsRetry };
      return textOf(viewOf({ ...copying, cutoverWhen, cutoverLeave, blockers }));
    };
    expect(planned(true, false)).toContain('stop the writers: it cuts over by itself');
    expect(planned(false, false)).not.toMatch(/stop the writers|csm retry 'shop.*people'$/m);
    expect(planned(false, true)).toContain("next        csm retry 'shop.*,crm.people'");
  });

  it('says how far all are compared', () => {
    const at = (verification: GroupStatus['verification']) =>
      textOf(viewOf({ ...copying, verification }));
    const some = { documents: 500, differing: 0 };
    expect(at({ state: 'running', ...some })).toContain('compare     2 %, 500 documents, so far');
    expect(at({ state: 'done', ...some })).toContain('100 %, 500 documents, equal');
    expect(at({ state: 'done', documents: 500, differing: 2 })).toContain('2 differences');
    expect(at({ state: 'done', documents: 500, differing: null })).toContain('not known now');
    expect(at({ state: 'none', documents: 0, differing: 0 })).toContain(
      'compare     not asked for',
    );
  });

  it('says when they were opened', () => {
    const openedAt = '2026-01-02T03:04:05.000Z';
    const fence = { fence: '1', fencedAt: openedAt, openedAt, downtimeMs: 40 };
    const cutover = { ...fence, collections: 12 };
    const done = viewOf({ ...copying, phase: 'completed', cutover }, { state: 'completed' });
    expect(textOf(done)).toMatch(/open +12 collections since .*, 40 ms after the fence/);
    expect(textOf(done)).not.toMatch(/next|lag|look at/);
    const first = [{ namespace: 'shop.a', what: ['2 writes reached the source', 'a warning'] }];
    const late = viewOf({ phase: 'completed', cutover, afterwards: { count: 3, first } });
    expect(textOf(late)).toMatch(/look at +shop\.a: 2 writes .*; a warning\n.*and 2 more/);
  });

  it('says why a later cutover was refused, and not why one before the first was', () => {
    const openedAt = '2026-01-02T03:04:05.000Z';
    const cutover = { fence: '1', fencedAt: openedAt, openedAt, downtimeMs: 40, collections: 12 };
    const refusedAt = (at: string) => {
      const lastRefusal = { at, blockers: [{ code: 'lag', message: '9 seconds behind' }] };
      return textOf(viewOf({ ...copying, phase: 'ready', cutover, openedAt, lastRefusal }));
    };
    expect(refusedAt('2026-01-02T03:04:00.000Z')).not.toContain('9 seconds behind');
    expect(refusedAt('2026-01-02T04:00:00.000Z')).toContain('9 seconds behind (lag)');
  });

  it('is told by what Temporal knows where no worker answers', () => {
    const text = textOf(viewOf({}, { status: null, noAnswer: 'no worker answers' }));
    expect(text).toContain('migrate:source:shop.*,crm.people  running');
    expect(text).toContain('no worker answers');
  });
});

describe('a group on a terminal of 80 columns', () => {
  const names = Array.from({ length: 30 }, (_, index) => `shop.collection_${index}`);
  const collections = [
    ...names.map((name) => line(name)),
    line('shop.slow', { phase: 'copying', copiedPercent: 12, lagSeconds: 3 }),
    line('shop.broken', { phase: 'failed', copiedPercent: 0, lagSeconds: null }),
  ];
  const status = groupStatus({ ...copying, counts: { all: 32 }, collections });

  it('has rows that fit', () => {
    const lines = renderGroup(viewOf(copying), terminal, { copyPerSecond: 1_200 });
    const plain = lines.map((each) => stripVTControlCharacters(each).replace(HANG, ''));
    expect(plain.join('\n')).toContain('████░░░░░░░░░░░░  25 %');
    expect(Math.max(...plain.map((each) => each.length))).toBeLessThanOrEqual(COLUMNS);
  });

  it('shows as many collections as there is room for, those first that are least far', () => {
    expect(renderCollections(status, terminal, 6)).toEqual([
      'COLLECTION         PHASE    COPIED  COMPARED  LAG',
      'shop.broken        failed   0 %',
      'shop.slow          copying  12 %              3.0 s',
      'shop.collection_0  ready    100 %   equal     0.2 s',
      'shop.collection_1  ready    100 %   equal     0.2 s',
      'and 28 more',
    ]);
    expect(renderCollections(status, terminal, 33)).toHaveLength(33);
    expect(renderCollections(status, terminal, 2)).toEqual([]);
    const pace = { copiedPerSecond: 1_234, etaSeconds: 75 };
    const shopping = status.collections.map((each) =>
      each.phase === 'copying' ? { ...each, ...pace } : each,
    );
    expect(
      renderCollections({ ...status, collections: shopping }, terminal, 6).slice(0, 4),
    ).toEqual([
      'COLLECTION         PHASE    COPIED  RATE     LEFT    COMPARED  LAG',
      'shop.broken        failed   0 %',
      'shop.slow          copying  12 %    1,234/s  1m 15s            3.0 s',
      'shop.collection_0  ready    100 %                    equal     0.2 s',
    ]);
    const long = groupStatus({ counts: { all: 1 }, collections: [line(`a.${'b'.repeat(200)}`)] });
    const [, cutName = ''] = renderCollections(long, terminal, 9);
    expect(cutName).toMatch(/^a\.b+… +ready/);
    expect(cutName.length).toBeLessThan(COLUMNS);
    const cut = groupStatus({ ...status, counts: { all: 40 }, collectionsNotShown: 8 });
    expect(renderCollections(cut, terminal, 100).at(-1)).toBe('and 8 more');
  });

  it.each([
    [80, 24],
    [60, 16],
    [80, 8],
  ])('is watched in %s columns and %s rows, whatever is wrong', (columns, rows) => {
    Object.defineProperty(process.stdout, 'columns', { value: columns, configurable: true });
    Object.defineProperty(process.stdout, 'rows', { value: rows, configurable: true });
    const output = Output.for({ json: false, isTerminal: true });
    const problems = [{ namespace: 'shop.broken', what: 'it fails '.repeat(9), todo: 'mend it' }];
    const plain = renderLive(viewOf(status), output);
    const troubled = renderLive(viewOf({ ...status, problems }), output);
    const heights = [plain, troubled].map((lines) => output.heightOf(lines));
    Reflect.deleteProperty(process.stdout, 'columns');
    Reflect.deleteProperty(process.stdout, 'rows');
    // The footer and the line of the cursor are below.
    const own = renderGroup(viewOf(status), output, { hasTable: true }).length;
    expect(heights[0]).toBe(Math.max(own, rows - 2));
    expect(plain.some((each) => each.startsWith('shop.broken'))).toBe(rows > 12);
    if (rows > 12) expect(heights[1]).toBeLessThanOrEqual(rows - 2);
  });

  it('does not tell the slowest twice', () => {
    expect(textOf(viewOf(copying), terminal, { hasTable: true })).not.toContain('slowest');
  });
});
