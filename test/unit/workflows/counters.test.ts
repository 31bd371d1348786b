import type { MetricTags } from '@temporalio/common';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { migrateCollectionsInput } from '../../../src/group-options.js';
import { Counters } from '../../../src/workflows/counters.js';
import { GroupCounters } from '../../../src/workflows/group/counters.js';
import { FakeMeter } from '../metrics/fake-meter.js';

vi.mock('@temporalio/workflow', () => ({
  metricMeter: { withTags: (tags: MetricTags) => fake.meter.withTags(tags) },
}));

const pair = { source: 'a', target: 'b' };
const at = '2026-01-01T00:00:00.000Z';
let fake: FakeMeter;

beforeEach(() => {
  fake = new FakeMeter();
});

describe('a refused cutover of a group', () => {
  it('is counted for the group, each reason once', () => {
    const counters = new GroupCounters(
      migrateCollectionsInput.parse({ ...pair, namespaces: ['shop.*'] }),
    );
    const blockers = [
      { code: 'lag', message: '', namespace: 'shop.a' },
      { code: 'lag', message: '', namespace: 'shop.b' },
      { code: 'shape', message: '', namespace: 'shop.b' },
      { code: 'more', message: '' },
    ];
    const refused = { at, blockers };
    counters.look({ refused });
    counters.look({ refused });
    const labels = { ...pair, collection: 'shop.*' };
    const count = (code: string) => fake.value('csm_cutover_refusals_total', { ...labels, code });
    expect([count('lag'), count('shape'), count('more')]).toEqual([1, 1, undefined]);
    counters.look({ refused: { ...refused } });
    expect(count('lag')).toBe(2);
    counters.ended('failed');
    expect(fake.value('csm_migrations_ended_total', { ...labels, phase: 'failed' })).toBe(1);
  });

  it('is not counted for each of its collections', () => {
    const counters = new Counters({ ...pair, namespace: 'shop.a' });
    const ofGroup = { code: 'group', message: '' };
    counters.look({ phase: 'ready', refused: { at, blockers: [ofGroup] } });
    expect(fake.values.size).toBe(0);
    const own = { code: 'lag', message: '' };
    counters.look({ phase: 'ready', refused: { at, blockers: [own] } });
    const labels = { ...pair, collection: 'shop.a', code: 'lag' };
    expect(fake.value('csm_cutover_refusals_total', labels)).toBe(1);
  });
});
