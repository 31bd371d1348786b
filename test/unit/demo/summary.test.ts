import { describe, expect, it } from 'vitest';
import { isGood, type Outcome, summaryOf } from '../../../demo/summary.js';
import { statusOf } from '../../helpers/migration-status.js';

const report = {
  fence: '1.1',
  fencedAt: '2026-01-01T00:00:00.000Z',
  openedAt: '2026-01-01T00:00:00.021Z',
  downtimeMs: 21,
  drainedEvents: 1,
  drainedChanges: 1,
  rechecked: 0,
  differences: { differing: 0, missing: 0, extra: 0, first: [] },
  captured: 12_345_678,
  applied: 12_345_678,
  copied: { documents: 1, bytes: 1 },
};
const side = { documents: 10_000_000, bytes: 9_999_999_999, sha256: 'ab'.repeat(32) };
const counts = { indexes: 12, options: 3 };
const good: Outcome = {
  proof: {
    documents: { source: side, target: side, different: 0, first: [] },
    catalogue: { source: counts, target: counts, differences: [] },
    leftovers: [],
    isEqual: true,
  },
  move: { report, downtimeMs: 125.4 },
  status: statusOf({ phase: 'completed', cutover: report, lateWrites: { count: 0, first: [] } }),
  writes: 10_000_000,
  seconds: { migration: 3_600, all: 7_200 },
};

describe('the summary', () => {
  it('of a migration that went well fits 80 columns', () => {
    expect(isGood(good)).toBe(true);
    const lines = summaryOf(good);
    expect(lines[0]).toBe('Both sides are equal.');
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(lines.join('\n')).toContain('125 ms from the last write there');
    expect(lines.join('\n')).toContain('21 ms of it in the cutover itself');
  });

  it('names what differs', () => {
    const { documents, catalogue } = good.proof;
    const proof = {
      documents: { ...documents, different: 2, first: ['_id 7: missing at the target'] },
      catalogue: { ...catalogue, differences: ['index text: none at the target'] },
      leftovers: ['cdc'],
      isEqual: false,
    };
    const outcome = { ...good, proof };
    expect(isGood(outcome)).toBe(false);
    const text = summaryOf(outcome).join('\n');
    expect(text).toContain('THE TWO SIDES ARE NOT EQUAL.');
    expect(text).toMatch(/documents .* 2 DIFFER/);
    expect(text).toMatch(/indexes .* 1 NOT THE SAME/);
    expect(text).toMatch(/options .* the same/);
    expect(text).toContain('- _id 7: missing at the target');
    expect(text).toContain('- index text: none at the target');
    expect(text).toMatch(/left behind +cdc/);
  });

  it.each([
    ['a write came too late', { lateWrites: { count: 3, first: [] } }],
    ['it is not completed', { phase: 'cuttingOver' as const }],
  ])('is not good when %s', (_, fields) => {
    expect(isGood({ ...good, status: { ...good.status, ...fields } })).toBe(false);
  });
});
