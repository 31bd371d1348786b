import { describe, expect, it } from 'vitest';
import { parseMigrateCollection } from '../../../src/options.js';
import {
  checkDumps,
  checkOplog,
  checkOplogOfAll,
  checkRoom,
  diskNeeded,
  estimateCopyHours,
} from '../../../src/preflight/copy.js';
import { Findings, type SourceReport } from '../../../src/preflight/report.js';

const GIB = 1024 ** 3;

function optionsOf(input: Record<string, unknown>) {
  const parsed = parseMigrateCollection({
    source: 'one',
    target: 'other',
    namespace: 'shop.orders',
    ...input,
  });
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.value;
}

describe('disk for dump files', () => {
  it.each([
    ['what is in flight', {}, 100 * GIB, false, 2.2 * GIB],
    ['a small collection', {}, GIB, false, 1.1 * GIB],
    ['all where the restore waits', { restore: 'signal' }, 100 * GIB, false, 110 * GIB],
    ['all where it is one partition', {}, 100 * GIB, true, 110 * GIB],
    ['larger partitions of a very large one', {}, 5000 * GIB, false, 11 * GIB],
    ['more lanes', { parallelPartitions: 8 }, 100 * GIB, false, 8.8 * GIB],
  ])('is for %s', (_what, input, bytes, single, needed) => {
    expect(diskNeeded(bytes, optionsOf(input), single)).toBeCloseTo(needed, -1);
  });
});

describe('disk for the dump files of several collections', () => {
  const disk = (needed: number) => ({
    folder: '/dumps',
    neededBytes: needed * GIB,
    freeBytes: 10 * GIB,
  });
  const disks = [disk(2), disk(6), disk(3), disk(5)];
  const warningsOf = (restore: 'auto' | 'signal', parallelCopies: number, gzip = false) => {
    const findings = new Findings();
    checkDumps(findings, disks, { restore, parallelCopies, gzip });
    expect(findings.errors).toEqual([]);
    return findings.warnings.map(({ code, message }) => `${code}: ${message}`).join();
  };

  it('is for the largest that are copied at a time', () => {
    expect(warningsOf('auto', 1)).toBe('');
    expect(warningsOf('auto', 2)).toMatch(
      /^dumpsShort: .*\/dumps has 10\.0 GiB free, .* 2 collections may need 11\.0 GiB at once; .*fewer parallelCopies/,
    );
  });

  it('is for all where the restore waits: each makes way for the next', () => {
    expect(warningsOf('signal', 1)).toMatch(/4 collections may need 16\.0 GiB .*restore "auto"/);
    expect(warningsOf('signal', 1, true)).toContain('16.0 GiB at once without compression');
  });

  it('is no matter where nothing is dumped', () => {
    const findings = new Findings();
    checkDumps(findings, [], { restore: 'signal', parallelCopies: 2, gzip: false });
    expect(findings.warnings).toEqual([]);
  });
});

describe('room at the target', () => {
  it.each([
    [GIB, 2 * GIB, []],
    [10 * GIB, 10.5 * GIB, ['targetRoom']],
    [10 * GIB, undefined, []],
  ])('for %d bytes, of which %d are free', (bytes, free, codes) => {
    const findings = new Findings();
    checkRoom(findings, bytes, free);
    expect(findings.warnings.map(({ code }) => code)).toEqual(codes);
    expect(findings.errors).toEqual([]);
  });
});

describe('the oplog', () => {
  const report: SourceReport = {
    featureVersion: '6.0',
    clockSkewSeconds: 0,
    privileges: {},
    version: '6.0.5',
    topology: 'replicaSet',
    documents: 1e9,
    bytes: 1e12,
    averageBytes: 1000,
    indexes: [],
    options: [],
  };
  const check = (held: Partial<SourceReport>, copyHours: number) => {
    const findings = new Findings();
    checkOplog(findings, { ...report, ...held }, copyHours);
    return findings.warnings.map(({ message }) => message).join();
  };

  it('is too short for a copy that takes longer', () => {
    const hours = estimateCopyHours(report.bytes);
    expect(hours).toBeCloseTo(9.26, 2);
    expect(check({ oplogHours: 5, oplogAtLeast: false }, hours)).toMatch(/5\.0 h .*9\.3 h/);
    expect(check({ oplogHours: 10, oplogAtLeast: false }, hours)).toBe('');
  });

  it('may be too short for many that are copied one after another', () => {
    const warningsOf = (bytes: number) => {
      const findings = new Findings();
      checkOplogOfAll(findings, [{ oplogHours: 5, oplogAtLeast: false }, {}], bytes);
      return findings.warnings.map(({ message }) => message);
    };
    expect(warningsOf(report.bytes)).toEqual([expect.stringMatching(/5\.0 h .*9\.3 h/)]);
    expect(warningsOf(report.bytes / 2)).toEqual([]);
  });

  it('is too short for any outage below an hour', () => {
    expect(check({ oplogHours: 0.5, oplogAtLeast: false }, 0.1)).toContain('0.5 h');
    expect(check({ oplogHours: 744, oplogAtLeast: true }, 1000)).toBe('');
    expect(check({}, 1000)).toBe('');
  });
});
