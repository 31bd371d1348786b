import { describe, expect, it } from 'vitest';
import { rowsOf } from '../../../demo/progress.js';
import { statusOf } from '../../helpers/migration-status.js';

const writers = { count: 1_234_567, perSecond: 498 };

function noteOf(name: string, ...args: Parameters<typeof rowsOf>): string {
  return rowsOf(...args).find((row) => row.name === name)?.note ?? '';
}

describe('the rows', () => {
  it('tell of a migration that has only begun', () => {
    const rows = rowsOf(statusOf({}), { count: 0, perSecond: 0 }, 0);
    expect(rows).toEqual([
      { name: 'copy', fraction: 0, note: '0 of 0' },
      { name: 'compare', fraction: 0, note: 'later' },
      { name: 'changes', note: 'captured 0 (0/s), applied 0 (0/s)' },
      { name: 'lag', note: 'not known yet' },
      { name: 'writers', note: '0 (0/s) on the source' },
    ]);
  });

  it('tell how the copy goes on, and what follows it', () => {
    const total = { documents: 200_000, bytes: 1 };
    const half = { total, copied: { documents: 90_112, bytes: 1 }, copiedPercent: 45.1 };
    const copying = statusOf({ phase: 'copying', ...half });
    expect(noteOf('copy', copying, writers, 31_200)).toBe('90,112 of 200,000 (31,200/s)');
    const copied = { total, copied: total, copiedPercent: 100 };
    const indexing = statusOf({ phase: 'copying', ...copied });
    expect(noteOf('copy', indexing, writers, 0)).toBe('200,000 documents, building indexes');
    const replaying = statusOf({ phase: 'replaying', ...copied, lagSeconds: 0.44 });
    expect(noteOf('copy', replaying, writers, 0)).toBe('200,000 documents');
    expect(noteOf('lag', replaying, writers, 0)).toBe('0.4 s');
  });

  it('fit 80 columns with their bars', () => {
    const many = { documents: 10_000_000, bytes: 1 };
    const status = statusOf({ phase: 'copying', total: many, copied: many, copiedPercent: 99 });
    for (const { note, fraction } of rowsOf(status, writers, 100_000)) {
      expect(note.length).toBeLessThanOrEqual(fraction === undefined ? 68 : 40);
    }
  });
});
