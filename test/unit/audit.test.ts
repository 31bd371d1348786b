import { describe, expect, it } from 'vitest';
import { judge } from '../audit/judge.js';

const advisory = {
  source: 1,
  name: 'left',
  title: 'Reads too much',
  url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
  severity: 'high',
  range: '<2.0.0',
};

const reportOf = (via: readonly unknown[]) =>
  JSON.stringify({
    auditReportVersion: 2,
    vulnerabilities: { left: { name: 'left', via }, right: { name: 'right', via: ['left'] } },
  });

describe('judge', () => {
  it('names an advisory once, with package and range', () => {
    expect(judge(reportOf([advisory, advisory]), {})).toEqual({
      kind: 'vulnerable',
      advisories: ['GHSA-aaaa-bbbb-cccc: left <2.0.0 (high): Reads too much'],
    });
  });

  it('takes one that is explained, and says why', () => {
    expect(judge(reportOf([advisory]), { 'GHSA-aaaa-bbbb-cccc': 'never called' })).toEqual({
      kind: 'clean',
      explained: ['GHSA-aaaa-bbbb-cccc: never called'],
    });
  });

  it('is clean without any', () => {
    const json = JSON.stringify({ auditReportVersion: 2, vulnerabilities: {} });
    expect(judge(json, {})).toEqual({ kind: 'clean', explained: [] });
  });

  it.each([
    ['{"message": "405 Method Not Allowed", "statusCode": 405}', '405 Method Not Allowed'],
    ['', 'npm audit gave no report'],
    ['<html>', 'npm audit gave no report'],
    ['{"auditReportVersion": 3}', 'npm audit gave no report'],
  ])('never takes %j for a clean report', (json, reason) => {
    expect(judge(json, {})).toEqual({ kind: 'unknown', reason });
  });
});
