import { LogTimestamp } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { createLog, type LogOptions } from '../../src/log.js';

const URI = 'mongodb://user:s3cret@host:27017/';

function logged(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog(
    { logLevel: 'info', logFormat: 'json', ...options },
    { write: (line) => void lines.push(line) },
  );
  return { log, lines, parsed: () => lines.map((line): unknown => JSON.parse(line)) };
}

describe('createLog', () => {
  it('writes one JSON object per line with time, level, message and attributes', () => {
    const { log, lines, parsed } = logged();
    log.info('captured\nmuch', {
      attempt: 2,
      big: 5n,
      at: new Date(0),
      [LogTimestamp]: 1_500_000_000n,
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\{.*\}\n$/);
    expect(parsed()).toEqual([
      {
        time: '1970-01-01T00:00:01.500Z',
        level: 'info',
        msg: 'captured\nmuch',
        attempt: 2,
        big: '5',
        at: '1970-01-01T00:00:00.000Z',
      },
    ]);
  });

  it.each(['json', 'pretty'] as const)(
    'redacts connection strings everywhere in %s',
    (logFormat) => {
      const { log, lines } = logged({ logFormat });
      const cause = Object.assign(new Error(URI), { code: URI });
      const error = new Error(`cannot reach ${URI}`, { cause });
      log.error(`cannot reach ${URI}`, {
        uri: URI,
        deep: { list: [{ uri: URI }] },
        json: { toJSON: () => URI },
        error,
      });
      expect(lines.join('')).toContain('***@host:27017');
      expect(lines.join('')).not.toContain('s3cret');
    },
  );

  it('survives attributes without end and of every type', () => {
    const endless: Record<string, unknown> = { run: () => 1, symbol: Symbol('x'), none: undefined };
    endless['self'] = endless;
    const { log, parsed } = logged();
    log.info('endless', { endless });
    expect(parsed()).toHaveLength(1);
  });

  it('respects its level and leaves out what Temporal says about itself', () => {
    const { log, lines } = logged();
    log.debug('not now');
    log.info('Worker state changed', { sdkComponent: 'worker' });
    log.warn('Activity failed', { sdkComponent: 'worker' });
    log.log('TRACE', 'never');
    expect(lines).toEqual([]);
    log.warn('Activity failed', { sdkComponent: 'activity' });
    log.log('ERROR', 'always', { sdkComponent: 'worker' });
    expect(lines).toHaveLength(2);
  });

  it('keeps only one in ten seconds of the lines about a Temporal server that is away', () => {
    const { log, lines } = logged();
    for (const second of [100, 101, 105, 109, 110, 111]) {
      log.warn(`gRPC call poll_activity_task_queue retried ${second} times`, {
        [LogTimestamp]: BigInt(second) * 1_000_000_000n,
      });
    }
    expect(lines).toHaveLength(2);
  });

  it('writes lines for people', () => {
    const { log, lines } = logged({ logFormat: 'pretty' });
    log.warn('slow', { lagSeconds: 3, taskToken: 'x', sdkComponent: 'activity' });
    expect(lines.join('')).toMatch(/^\[[\d:.]+\] .*WARN.*slow.*"?lagSeconds"?: ?3.*\n$/);
    expect(lines.join('')).not.toContain('taskToken');
  });
});
