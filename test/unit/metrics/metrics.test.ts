import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { Timestamp } from 'mongodb';
import { beforeEach, describe, expect, it } from 'vitest';
import { definitions, LABELS } from '../../../src/metrics/definitions.js';
import { metricsInterceptor } from '../../../src/metrics/interceptor.js';
import { Metrics } from '../../../src/metrics/metrics.js';
import type { ControlDocument } from '../../../src/mongo/control-document.js';
import { takenAs } from '../../helpers/taken-as.js';
import { FakeMeter } from './fake-meter.js';

const options = { source: 'a', target: 'b', namespace: 'shop.orders' };
const labels = { source: 'a', target: 'b', collection: 'shop.orders' };
const traits = { documents: 30, bytes: 3000 };
const NOW = Date.parse('2026-01-01T00:00:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000);
const time = new Timestamp({ t: 1, i: 1 });

/** 100 changes are kept, 60 of them applied; the source holds an hour of history. */
const document: ControlDocument = {
  _id: 'orders',
  kind: 'changestream-migration',
  workflowId: 'migrate:a:shop.orders',
  runId: 'run',
  source: 'a',
  namespace: 'shop.orders',
  startedAt: ago(100),
  renamed: true,
  capture: {
    epoch: 1,
    events: 200,
    buffered: 100,
    bytes: 1000,
    rate: 0,
    through: { _data: '82B' },
    time,
    at: ago(1),
    asOf: ago(2),
    oplogHours: 1,
  },
  replay: { epoch: 1, events: 60, rate: 0, through: '82A', time, asOf: ago(7) },
};

let meter: FakeMeter;
let metrics: Metrics;
const value = (name: string, more = {}) => meter.value(name, { ...labels, ...more });

beforeEach(() => {
  meter = new FakeMeter();
  metrics = new Metrics(meter.meter);
});

describe('a migration', () => {
  it('tells what the control document says while the capture runs here', () => {
    const migration = metrics.of(options);
    migration.begin('capture', traits);
    migration.advanced({ role: 'capture', increments: { events: 9, bytes: 90 }, document });
    migration.advanced({ role: 'capture', increments: { events: 1, bytes: 10 }, document });
    migration.advanced({ role: 'replay', increments: { events: 4 }, document });
    migration.refresh(new Date(NOW));
    expect(value('csm_captured_events_total')).toBe(10);
    expect(value('csm_captured_bytes_total')).toBe(100);
    expect(value('csm_applied_changes_total')).toBe(4);
    expect(value('csm_lag_seconds')).toBe(7);
    expect(value('csm_unapplied_changes')).toBe(40);
    expect(value('csm_oplog_left_seconds')).toBe(3598);
    expect(value('csm_stalled')).toBe(0);
    expect(value('csm_buffer_full')).toBe(0);
    const full = { ...document, capture: { ...document.capture, fullSince: ago(60) } };
    migration.advanced({ role: 'capture', increments: {}, document: full });
    migration.refresh(new Date(NOW));
    expect(value('csm_buffer_full')).toBe(1);
    expect(value('csm_source_documents')).toBe(30);
    expect(value('csm_phase', { phase: 'replaying' })).toBe(1);
    expect(value('csm_phase', { phase: 'ready' })).toBe(0);
  });

  it('lets the lag grow, and says that it is stalled, while nothing is heard', () => {
    const migration = metrics.of(options);
    migration.begin('capture', traits);
    migration.advanced({ role: 'capture', increments: {}, document });
    migration.refresh(new Date(NOW + 60_000));
    expect(value('csm_lag_seconds')).toBe(67);
    expect(value('csm_stalled')).toBe(1);
  });

  it('tells again only what has changed', () => {
    const migration = metrics.of(options);
    migration.begin('capture', traits);
    migration.advanced({ role: 'capture', increments: {}, document });
    migration.refresh(new Date(NOW));
    const before = meter.told;
    migration.refresh(new Date(NOW));
    expect(meter.told).toBe(before);
    migration.refresh(new Date(NOW + 1000));
    // The lag, and the history that is left.
    expect(meter.told).toBe(before + 2);
  });

  it('leaves no gauge at its last value when the step ends that it comes from', () => {
    const migration = metrics.of(options);
    migration.begin('capture', traits);
    migration.begin('verify', undefined);
    migration.advanced({ role: 'capture', increments: { events: 3 }, document });
    migration.differ([{ kind: 'extra' }, { kind: 'extra' }]);
    expect(value('csm_differences', { kind: 'extra' })).toBe(2);
    expect(value('csm_differences', { kind: 'missing' })).toBe(0);
    migration.end('verify');
    migration.end('capture');
    // A step of a former attempt may still have something to say.
    migration.advanced({ role: 'capture', increments: { events: 1 }, document });
    migration.differ([{ kind: 'extra' }]);
    metrics.refresh();
    const gauges = Object.values(definitions).filter(({ type }) => type === 'gauge');
    const left = [...meter.values].filter(
      ([key, last]) => gauges.some(({ name }) => key.startsWith(`${name}[`)) && !Number.isNaN(last),
    );
    expect(left.map(([key]) => key.split('[')[0])).toEqual(['csm_steps_running', 'csm_steps_running']); // prettier-ignore
    expect(left.map(([, last]) => last)).toEqual([0, 0]);
    expect(value('csm_captured_events_total')).toBe(4);
  });

  it.each([
    ['copying', {}],
    ['replaying', { renamed: true }],
    ['ready', { renamed: true, caughtUp: true }],
    ['cuttingOver', { renamed: true, caughtUp: true, holder: 'cutover' }],
  ] as const)('is %s', (phase, fields) => {
    const { renamed: _, ...rest } = document;
    const migration = metrics.of(options);
    migration.begin('cutover', traits);
    migration.advanced({ role: 'replay', increments: {}, document: { ...rest, ...fields } });
    const phases = [...meter.values].filter(([key]) => key.startsWith('csm_phase['));
    expect(phases.filter(([, is]) => is === 1).map(([key]) => key)).toEqual([
      expect.stringContaining(`"${phase}"`),
    ]);
  });

  it('has nothing left to apply when all that is captured is applied, whatever was counted', () => {
    const migration = metrics.of(options);
    migration.begin('capture', traits);
    const replay = { ...document.replay, through: '82B' };
    migration.advanced({ role: 'replay', increments: {}, document: { ...document, replay } });
    expect(value('csm_unapplied_changes')).toBe(0);
  });
});

describe('metricsInterceptor', () => {
  async function run(step: string, argument: unknown, work: () => Promise<unknown>) {
    const { inbound } = metricsInterceptor(metrics)(takenAs({ info: { activityType: step } }));
    const input = takenAs<Parameters<NonNullable<NonNullable<typeof inbound>['execute']>>[0]>({
      args: [argument],
    });
    return inbound?.execute?.(input, work).catch((error: unknown) => error);
  }
  const fail = (error: Error) => () => Promise.reject(error);

  it('counts the attempts that run', async () => {
    const during = await run('dump', { options }, async () =>
      value('csm_steps_running', { step: 'dump' }),
    );
    expect(during).toBe(1);
    expect(value('csm_steps_running', { step: 'dump' })).toBe(0);
  });

  it('counts failures by type, and types that it does not know as one', async () => {
    const failure = (type: string) => ApplicationFailure.create({ type, message: 'x' });
    await run('dump', { options }, fail(failure('MongoDBUnreachable')));
    await run('dump', { options }, fail(failure('RangeError')));
    await run('dump', { options }, fail(failure('toString')));
    await run('dump', { options }, fail(new CancelledFailure('CANCELLED')));
    const of = (type: string) => value('csm_step_failures_total', { step: 'dump', type });
    expect(of('MongoDBUnreachable')).toBe(1);
    expect(of('other')).toBe(2);
    expect([...meter.values.keys()].filter((key) => key.includes('failures'))).toHaveLength(2);
    expect(value('csm_steps_running', { step: 'dump' })).toBe(0);
  });

  it('counts what a group does under the name of its patterns', async () => {
    const many = { source: 'a', target: 'b', namespaces: ['shop.*', 'crm.people'] };
    const type = 'PreflightFailed';
    const failure = ApplicationFailure.create({ type, message: 'x' });
    await run('resolveCollections', { options: many }, fail(failure));
    const collection = 'shop.*,crm.people';
    const step = 'resolveCollections';
    expect(value('csm_step_failures_total', { collection, step, type })).toBe(1);
    expect(value('csm_steps_running', { collection, step })).toBe(0);
    const long = Array.from({ length: 500 }, (_, index) => `shop.collection_${index}`);
    await run(step, { options: { ...many, namespaces: long } }, async () => undefined);
    expect(value('csm_steps_running', { collection: 'shop.collection_0,…499', step })).toBe(0);
  });

  it('leaves alone what is about no migration', async () => {
    expect(await run('other', 'text', async () => 'done')).toBe('done');
    expect(meter.values.size).toBe(0);
  });
});

describe('definitions', () => {
  const all = Object.values(definitions);

  it('follow the conventions of Prometheus', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { name, type, labels: own, help } of all) {
      expect(name).toMatch(/^csm(_[a-z]+)+$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(name).not.toMatch(/_(hours|minutes|ms|milliseconds|kb|mb)(_|$)/);
      expect(help).toMatch(/^[A-Z\d].*\.$/);
      for (const label of [...LABELS, ...own]) expect(label).toMatch(/^[a-z_]+$/);
    }
  });
});
