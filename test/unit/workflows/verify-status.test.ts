import { describe, expect, it } from 'vitest';
import type { ComparisonProgress } from '../../../src/comparison.js';
import { parseVerifyCollection } from '../../../src/options.js';
import { GAP } from '../../../src/workflows/markdown.js';
import { renderVerifyDetails } from '../../../src/workflows/verify-details.js';
import {
  buildVerifyStatus,
  type VerifyLive,
  type VerifyState,
} from '../../../src/workflows/verify-status.js';
import { comparisonReport } from '../../helpers/fake-activities.js';

const parsed = parseVerifyCollection({ source: 'a', target: 'b', namespace: 'shop.orders' });
if ('error' in parsed) throw new Error(parsed.error);
const comparison = { options: parsed.value };
const running: VerifyState = { phase: 'comparing', startedAt: '2026-01-01T00:00:00.000Z' };
const progress: ComparisonProgress = {
  doing: 'comparing documents',
  total: 1000,
  documentsPerSecond: 50,
  source: { documents: 250, bytes: 2500 },
  target: { documents: 240, bytes: 2400 },
  differing: 1,
  missing: 2,
  extra: 3,
  unsettled: 0,
  open: 4,
};
const live: VerifyLive = { asOf: '2026-01-01T00:00:05.000Z', progress };

describe('the status of a comparison', () => {
  it('tells how far it is while it runs', () => {
    const status = buildVerifyStatus(running, comparison, live);
    expect(status).toMatchObject({
      phase: 'comparing',
      targetNamespace: 'shop.orders',
      compared: { source: { documents: 250 }, target: { documents: 240 } },
      total: 1000,
      percent: 25,
      documentsPerSecond: 50,
      etaSeconds: 15,
      differing: 1,
      missing: 2,
      extra: 3,
      open: 4,
      problem: null,
      report: null,
      live: { asOf: live.asOf },
    });
  });

  it('is never at 100 percent before the end, nor late in time', () => {
    const grown = { ...progress, source: { documents: 1001, bytes: 1 } };
    expect(buildVerifyStatus(running, comparison, { ...live, progress: grown })).toMatchObject({
      percent: 99.9,
      etaSeconds: 0,
    });
  });

  it('says nothing that it does not know', () => {
    for (const unknown of [undefined, { asOf: 'now' }, { error: 'no answer' }] as const) {
      const status = buildVerifyStatus(running, comparison, unknown);
      expect(status).toMatchObject({ total: null, percent: null, etaSeconds: null, doing: null });
    }
    const error = buildVerifyStatus(running, comparison, { error: 'no answer' });
    expect(error.live).toEqual({ error: 'no answer' });
    const empty = { ...live, progress: { ...progress, total: 0, documentsPerSecond: 0 } };
    expect(buildVerifyStatus(running, comparison, empty)).toMatchObject({
      percent: null,
      etaSeconds: null,
    });
  });

  it('tells the problem of the moment, and at the end why it failed', () => {
    const problem = { what: 'it fails', todo: 'mend it' };
    expect(buildVerifyStatus(running, comparison, { ...live, problem }).problem).toEqual(problem);
    const failed: VerifyState = { ...running, phase: 'failed', failure: 'a view' };
    expect(buildVerifyStatus(failed, comparison, live)).toMatchObject({
      problem: { what: 'a view' },
      etaSeconds: null,
      open: 0,
    });
  });

  it('is the report at the end', () => {
    const done: VerifyState = { ...running, phase: 'completed', report: comparisonReport };
    expect(buildVerifyStatus(done, comparison)).toMatchObject({
      percent: 100,
      total: 30,
      compared: { source: { documents: 30 } },
      report: comparisonReport,
    });
  });
});

describe('the page of a comparison', () => {
  it('shows progress and problem', () => {
    const problem = { what: 'it fails', todo: 'mend it' };
    const status = buildVerifyStatus(running, comparison, { ...live, problem });
    const page = renderVerifyDetails(status).replaceAll(GAP, '');
    expect(page).toContain('## a:shop.orders = b:shop.orders?');
    expect(page).toContain('250 documents of 1,000 (25 %)');
    expect(page).toContain('| Done in about | 15 s |');
    expect(page).toContain('it fails. mend it.');
  });

  it('says what differs', () => {
    const report = {
      ...comparisonReport,
      equal: false,
      first: [{ id: '5', kind: 'differs', field: 'a.b', what: 'value' } as const],
      indexDifferences: [{ name: 'u_1', source: '{ }', target: 'none' }],
      optionDifferences: [{ name: 'validator', source: '{ }', target: 'none' }],
    };
    const page = (state: VerifyState) => renderVerifyDetails(buildVerifyStatus(state, comparison));
    const unequal = page({ ...running, phase: 'completed', report });
    for (const text of [
      '**Not equal.**',
      '- index `u_1`',
      '- option `validator`',
      '- `5` differs: `a.b`, value',
    ])
      expect(unequal).toContain(text);
    expect(page({ ...running, phase: 'completed', report: comparisonReport })).toContain(
      '**Equal.**',
    );
  });
});
