import { describe, expect, it, vi } from 'vitest';
import {
  abortInput,
  cutoverInput,
  emptyInput,
  parseInput,
  parseMigrateCollection,
  parseVerifyCollection,
} from '../../src/options.js';

const input = { source: 'source', target: 'target', namespace: 'shop.orders' };

function errorOf(changed: unknown): string {
  const parsed = parseMigrateCollection(changed);
  if ('error' in parsed) return parsed.error;
  throw new Error(`accepted: ${JSON.stringify(parsed.value)}`);
}

function accepted(changed: object): object {
  const parsed = parseMigrateCollection({ ...input, ...changed });
  if ('value' in parsed) return parsed.value;
  throw new Error(parsed.error);
}

/** Two days from now, to the minute. */
const soon = new Date(Date.now() + 2 * 24 * 3_600_000).toISOString().slice(0, 16);

describe('the input of migrateCollection', () => {
  it('needs three fields and has defaults for the others', () => {
    expect(accepted({})).toEqual({
      ...input,
      targetNamespace: 'shop.orders',
      copy: 'dump',
      capture: 'shared',
      token: 'stream',
      restore: 'auto',
      cutover: 'signal',
      verify: 'full',
      partitionBytes: 1024 ** 3,
      parallelPartitions: 2,
      gzip: false,
      maxLagSeconds: 10,
      keepBuffer: false,
    });
  });

  it.each([
    { targetNamespace: 'archive.orders' },
    { copy: 'direct', token: 'marker', restore: 'signal', cutover: 'auto', verify: 'none' },
    { partitionBytes: 1024 ** 2, parallelPartitions: 64, maxLagSeconds: 0.1 },
    { gzip: true, keepBuffer: true, capture: 'own' },
    { cutover: { at: `${soon}:00+02:00` } },
    { cutover: { at: `${soon}:00Z` } },
    { cutover: { whenLagUnder: 0.5 } },
    { cutover: { whenLagUnder: 5, forSeconds: 86_400 } },
    { copy: 'direct', copyDocumentsPerSecond: 1, copyBytesPerSecond: 65_536 },
    { verifyDocumentsPerSecond: 1, verifyBytesPerSecond: 65_536 },
    { captureDocumentsPerSecond: 100, captureBytesPerSecond: 65_536, replayBatch: 100 },
    { replayBatch: 1_000_000 },
    { maxBufferBytes: 1024 ** 2 },
    { namespace: 'shop.orders.archive' },
    { namespace: 'shöp.ördërs und mehr' },
    { namespace: 'shop.cdcs', targetNamespace: 'shop.my.cdc' },
    { source: 'same', target: 'same', targetNamespace: 'shop.copy' },
  ])('takes %j as it is', (changed) => {
    expect(accepted(changed)).toMatchObject(changed);
  });

  it.each([
    ['source', 'Source'],
    ['source', ''],
    ['source', 5],
    ['target', 'my-target'],
    ['target', undefined],
    ['namespace', undefined],
    ['namespace', 'orders'],
    ['namespace', 'shop.'],
    ['namespace', '.orders'],
    ['namespace', 'shop..orders'],
    ['namespace', 'shop.orders.'],
    ['namespace', 'sh op.orders'],
    ['namespace', 'sh$op.orders'],
    ['namespace', 'shop.or\0ders'],
    ['namespace', `${'d'.repeat(64)}.orders`],
    ['namespace', `shop.${'c'.repeat(251)}`],
    ['namespace', 'admin.orders'],
    ['namespace', 'local.oplog.rs'],
    ['namespace', 'config.chunks'],
    ['namespace', 'shop.system.views'],
    ['namespace', 'shop.cdc'],
    ['namespace', 'shop.cdc.orders'],
    ['namespace', 'shop.cdc-staging.orders'],
    ['targetNamespace', 'shop.cdc.orders'],
    ['targetNamespace', 'orders'],
    ['targetNamespace', null],
    ['copy', 'fast'],
    ['token', 'Stream'],
    ['restore', true],
    ['cutover', 'now'],
    ['cutover', 5],
    ['cutover', {}],
    ['cutover', { at: '2027-06-01T02:00:00Z', whenLagUnder: 1 }],
    ['cutover', { whenLagUnder: 1, force: ['lag'] }],
    ['cutover.at', { at: null }],
    ['cutover.at', { at: 1764554400 }],
    ['cutover.at', { at: '2026-12-01' }],
    ['cutover.at', { at: `${soon}Z` }],
    ['cutover.at', { at: '2026-02-30T02:00:00Z' }],
    ['cutover.at', { at: '2027-06-01T02:00:00' }],
    ['cutover.whenLagUnder', { whenLagUnder: 3601 }],
    ['cutover.forSeconds', { whenLagUnder: 1, forSeconds: 0.5 }],
    ['verify', 'half'],
    ['partitionBytes', 1],
    ['partitionBytes', 1024 ** 2 + 0.5],
    ['partitionBytes', '1GB'],
    ['partitionBytes', 1024 ** 5],
    ['parallelPartitions', 0],
    ['parallelPartitions', 65],
    ['gzip', 'yes'],
    ['maxLagSeconds', 0],
    ['maxLagSeconds', 3601],
    ['maxLagSeconds', Number.NaN],
    ['keepBuffer', 1],
    ['copyDocumentsPerSecond', 0],
    ['copyDocumentsPerSecond', 100],
    ['copyBytesPerSecond', 65_535],
    ['copyBytesPerSecond', 1_000_000],
    ['verifyDocumentsPerSecond', 0],
    ['verifyDocumentsPerSecond', 1.5],
    ['verifyBytesPerSecond', 65_535],
    ['maxBufferBytes', 1024 ** 2 - 1],
    ['maxBufferBytes', '100 GB'],
    ['verifyBytesPerSecond', '1 MB'],
    ['captureDocumentsPerSecond', 99],
    ['captureBytesPerSecond', 65_535],
    ['replayBatch', 99],
    ['replayBatch', 1_000_001],
  ])('with a wrong %s (%j) is refused by that name', (field, value) => {
    const [top = ''] = field.split('.');
    const error = errorOf({ ...input, [top]: value });
    expect(error.startsWith('Invalid input of migrateCollection: ')).toBe(true);
    expect(error).toContain(`"${field}"`);
    const others = ['source', 'target', 'namespace'].filter((name) => name !== field);
    for (const other of others) expect(error).not.toContain(`"${other}"`);
  });

  it('takes a time of a cutover that is still to come, and at most a year away', () => {
    vi.useFakeTimers({ now: Date.parse('2026-06-01T00:00:00Z') });
    try {
      const at = (time: string) => errorOf({ ...input, cutover: { at: time } });
      expect(accepted({ cutover: { at: '2026-06-01T00:00:01Z' } })).toBeDefined();
      expect(at('2026-06-01T01:59:59+02:00')).toContain(
        '"cutover.at": is in the past: it is 2026-06-01T00:00:00.000Z now',
      );
      expect(at('2027-06-03T00:00:00Z')).toContain('more than 366 days away');
    } finally {
      vi.useRealTimers();
    }
  });

  it('says one thing about one mistake', () => {
    expect(errorOf({ ...input, namespace: 'orders' }).split(';')).toHaveLength(1);
  });

  it('tells everything that is wrong at once, and what is known', () => {
    const error = errorOf({ source: 'A', namespace: 'x', copy: 'fast', fast: true, slow: 1 });
    for (const name of ['source', 'target', 'namespace', 'copy', 'fast', 'slow']) {
      expect(error).toContain(`"${name}"`);
    }
    expect(error).toContain('known: source, target, namespace, targetNamespace, copy');
  });

  it('names the nearest field also within a field', () => {
    expect(errorOf({ ...input, cutover: { whenLagUder: 2 } })).toContain(
      '"cutover": unknown field "whenLagUder" (did you mean "whenLagUnder"?) (known: at,',
    );
  });

  it.each([undefined, null, 'shop.orders', 5, true, [], [input], {}])(
    'is refused as %j',
    (payload) => {
      expect(errorOf(payload)).toContain('Invalid input of migrateCollection');
    },
  );

  it('is refused when both sides are the same collection', () => {
    expect(errorOf({ ...input, target: 'source' })).toContain('the same collection');
    const named = { ...input, target: 'source', targetNamespace: 'shop.orders' };
    expect(errorOf(named)).toContain('the same collection');
  });

  it.each([
    { ...input, source: 'mongodb://admin:s3cret@db1/' },
    { ...input, target: 'MONGODB+SRV://admin:s3cret@db1/' },
    { ...input, comment: { deep: ['mongodb://admin:s3cret@db1/'] } },
    { ...input, 'mongodb://admin:s3cret@db1/': 1 },
    'mongodb+srv://admin:s3cret@db1/',
  ])('that holds a connection string is refused without repeating it', (payload) => {
    const error = errorOf(payload);
    expect(error).toContain('connection string');
    expect(error).toContain('MONGODB_URI_<ALIAS>');
    expect(error).not.toContain('s3cret');
    expect(error).not.toContain('db1');
  });

  it.each(['source', 'namespace', 'copy', 'partitionBytes'])(
    'never repeats the value of %s',
    (name) => {
      expect(errorOf({ ...input, [name]: 'S3CRET value' })).not.toContain('S3CRET');
    },
  );
});

describe('the payload of a message', () => {
  it('may be left out, and then has its defaults', () => {
    for (const payload of [undefined, null, {}]) {
      expect(parseInput(abortInput, payload, 'x')).toEqual({ value: { dropTarget: false } });
      expect(parseInput(cutoverInput, payload, 'x')).toEqual({
        value: { force: [], dryRun: false },
      });
      expect(parseInput(emptyInput, payload, 'x')).toEqual({ value: {} });
    }
  });

  it('is taken as it is', () => {
    const abort = { dropTarget: true, reason: 'a test' };
    expect(parseInput(abortInput, abort, 'x')).toEqual({ value: abort });
    expect(parseInput(cutoverInput, { force: ['lag'] }, 'x')).toEqual({
      value: { force: ['lag'], dryRun: false },
    });
    for (const plan of [{ at: null }, { at: `${soon}:00Z`, force: ['lag'] }, { whenLagUnder: 1 }]) {
      expect(parseInput(cutoverInput, plan, 'x')).toMatchObject({ value: plan });
    }
    expect(parseInput(emptyInput, { reason: 'r' }, 'x')).toEqual({ value: { reason: 'r' } });
  });

  it.each([
    ['abort', abortInput, { dropTarget: 'yes' }, '"dropTarget"'],
    ['abort', abortInput, { drop: true }, '"drop"'],
    ['abort', abortInput, { reason: 'r'.repeat(1001) }, '"reason"'],
    ['cutover', cutoverInput, { force: 'lag' }, '"force"'],
    ['cutover', cutoverInput, { dryRun: 'yes' }, '"dryRun"'],
    ['cutover', cutoverInput, { force: [5] }, '"force.0"'],
    ['cutover', cutoverInput, { force: ['copy'] }, '"force.0"'],
    ['cutover', cutoverInput, { force: Array.from({ length: 21 }, String) }, '"force"'],
    ['pause', emptyInput, { minutes: 5 }, '"minutes"'],
    ['pause', emptyInput, 'now', 'Invalid payload of pause'],
    ['pause', emptyInput, [], 'Invalid payload of pause'],
  ])('of %s is refused by name', (name, schema, payload, text) => {
    const parsed = parseInput(schema, payload, `payload of ${name}`);
    expect(parsed).toEqual({ error: expect.stringContaining(text) });
  });
});

describe('the input of verifyCollection', () => {
  it('needs three fields, and limits nothing by itself', () => {
    expect(parseVerifyCollection(input)).toEqual({
      value: { ...input, targetNamespace: 'shop.orders' },
    });
    const limited = { ...input, documentsPerSecond: 1, bytesPerSecond: 65_536 };
    expect(parseVerifyCollection(limited)).toMatchObject({ value: limited });
  });

  it.each([
    ['source', 'Source'],
    ['namespace', 'orders'],
    ['targetNamespace', 'shop.cdc'],
    ['documentsPerSecond', 0],
    ['documentsPerSecond', 1.5],
    ['bytesPerSecond', 1000],
    ['bytesPerSecond', '1 MB'],
    ['copy', 'dump'],
  ])('with a wrong %s (%j) is refused by that name', (field, value) => {
    const parsed = parseVerifyCollection({ ...input, [field]: value });
    const error = 'error' in parsed ? parsed.error : '';
    expect(error.startsWith('Invalid input of verifyCollection: ')).toBe(true);
    expect(error).toContain(`"${field}"`);
  });

  it('is refused with one collection on both sides, and with a connection string', () => {
    for (const wrong of [
      { ...input, target: 'source' },
      { ...input, source: 'mongodb://user:s3cret@host/' },
      undefined,
      [],
    ]) {
      const parsed = parseVerifyCollection(wrong);
      expect(parsed).toHaveProperty('error');
      expect(JSON.stringify(parsed)).not.toContain('s3cret');
    }
  });
});

it('the input of preflight is that of migrateCollection, under its own name', () => {
  const parsed = parseMigrateCollection({ ...input, copy: 'fast' }, 'preflight');
  expect(parsed).toMatchObject({ error: expect.stringContaining('Invalid input of preflight') });
});
