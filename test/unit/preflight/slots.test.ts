import { describe, expect, it } from 'vitest';
import { Findings } from '../../../src/preflight/report.js';
import { checkSlots, slotsNeeded } from '../../../src/preflight/slots.js';

const one = { collections: 1, parallelCopies: 1, parallelPartitions: 2 };
const many = { collections: 300, parallelCopies: 2, parallelPartitions: 2 };

describe('activity slots', () => {
  it.each([
    ['one collection', one, 9],
    ['many, two of them copied', many, 1_508],
    ['many partitions', { ...many, parallelPartitions: 8 }, 1_520],
    ['more lanes than collections', { ...one, parallelCopies: 64 }, 9],
    ['none', { ...many, collections: 0 }, 0],
  ])('are counted for %s', (_what, load, needed) => {
    expect(slotsNeeded(load)).toBe(needed);
  });

  it('are warned of where one worker has too few, with what to do', () => {
    const findings = new Findings();
    checkSlots(findings, many, 500);
    expect(findings.warnings).toMatchObject([{ code: 'slotsShort' }]);
    const [warning] = findings.warnings;
    for (const part of [
      'these 300 collections may need 1508 activities',
      'takes 500 (CSM_MAX_ACTIVITIES)',
      'set CSM_MAX_ACTIVITIES to 1508 or more, or run more workers',
      'other workers are not counted',
    ]) {
      expect(warning?.message).toContain(part);
    }
    expect(findings.errors).toEqual([]);
  });

  it('are enough where as many are there', () => {
    const findings = new Findings();
    checkSlots(findings, many, 1_508);
    checkSlots(findings, one, 9);
    expect(findings.warnings).toEqual([]);
    checkSlots(findings, one, 8);
    expect(findings.warnings[0]?.message).toContain('this migration may need 9');
  });
});
