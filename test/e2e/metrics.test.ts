import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../embedded/index.js';
import { definitions, LABELS } from '../../src/metrics/definitions.js';
import { Environment, type WorkerProcess } from './environment.js';
import { loadItems, Writers } from './writers.js';

const DOCUMENTS = 2_000;
/** As docs/monitoring.md says. */
const SERIES_PER_MIGRATION = 50;
/** What Temporal adds to metrics of workflows. */
const WORKFLOW_LABELS = ['namespace', 'taskQueue', 'workflowType'];
const POLL = { timeout: 60_000, interval: 200 };

/** One line of what Prometheus fetches. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

let environment: Environment;
let worker: WorkerProcess;
let metricsPort: number;
let healthPort: number;

beforeAll(async () => {
  environment = await Environment.start();
  [metricsPort, healthPort] = await Promise.all([freePort(), freePort()]);
  worker = environment.startWorker({
    CSM_METRICS_ADDRESS: String(metricsPort),
    CSM_HEALTH_ADDRESS: String(healthPort),
  });
});

afterAll(async () => {
  await environment?.stop();
});

async function fetchSamples(collection: string): Promise<Sample[]> {
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  const lines = (await answer.text()).matchAll(/^(csm_\w+)\{(.*)\} (\S+)$/gm);
  const samples = [...lines].map(([, name = '', text = '', number]): Sample => {
    const labels = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, is]) => [key, is]);
    return { name, labels: Object.fromEntries(labels), value: Number(number) };
  });
  return samples.filter(({ labels }) => labels['collection'] === collection);
}

/** The value of one metric of a collection, `undefined` as long as there is none. */
async function value(collection: string, name: string, more: Sample['labels'] = {}) {
  const samples = await fetchSamples(collection);
  return samples.find(
    (sample) =>
      sample.name === name && Object.entries(more).every(([key, is]) => sample.labels[key] === is),
  )?.value;
}

const probe = (path: string) =>
  fetch(`http://127.0.0.1:${healthPort}${path}`).then(
    ({ status }) => status,
    () => 0,
  );

it.each(['dump', 'direct'] as const)('a migration is seen from outside, copy %s', async (copy) => {
  const name = `watched-${copy}`;
  const collection = `shop.${name}`;
  await loadItems(environment.sourceClient, name, DOCUMENTS);
  const writers = new Writers(environment.sourceClient, name, DOCUMENTS, 200);
  const handle = await environment.migrate(name, { copy, restore: 'signal' });
  await environment.until(handle, 'waiting', ({ phase }) => phase === 'waiting');
  await expect.poll(() => value(collection, 'csm_phase', { phase: 'copying' }), POLL).toBe(1);
  await handle.signal('cutover');
  await expect
    .poll(() => value(collection, 'csm_cutover_refusals_total', { code: 'waiting' }), POLL)
    .toBe(1);
  await handle.signal('restore');
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');

  await expect.poll(() => value(collection, 'csm_phase', { phase: 'ready' }), POLL).toBe(1);
  await expect.poll(() => value(collection, 'csm_oplog_left_seconds'), POLL).toBeGreaterThan(0);
  await expect.poll(() => value(collection, 'csm_differences', { kind: 'missing' }), POLL).toBe(0);
  await expect.poll(() => value(collection, 'csm_applied_changes_total'), POLL).toBeGreaterThan(50);
  const ready = await fetchSamples(collection);
  const now = (metric: string) => ready.find((sample) => sample.name === metric)?.value;
  expect(now('csm_lag_seconds')).toBeGreaterThanOrEqual(0);
  expect(now('csm_stalled')).toBe(0);
  expect(now('csm_source_documents')).toBeGreaterThan(0);
  expect(now('csm_captured_events_total')).toBeGreaterThanOrEqual(now('csm_applied_changes_total') ?? NaN); // prettier-ignore
  expect(now('csm_copied_documents_total')).toBeGreaterThan(DOCUMENTS / 2);
  expect(now('csm_copied_bytes_total')).toBeGreaterThan(now('csm_copied_documents_total') ?? NaN);
  expect(now('csm_verified_documents_total')).toBeGreaterThan(DOCUMENTS / 2);

  await writers.stop();
  const { cutover } = await environment.cutOver(handle);
  await expect
    .poll(() => value(collection, 'csm_migrations_ended_total', { phase: 'completed' }), POLL)
    .toBe(1);
  const over = await fetchSamples(collection);
  // Everything that the cutover's own report counts was counted here too.
  const total = (metric: string) => over.find((sample) => sample.name === metric)?.value;
  expect(total('csm_captured_events_total')).toBe(cutover?.captured);
  expect(total('csm_applied_changes_total')).toBe(cutover?.applied);
  expect(total('csm_copied_documents_total')).toBe(cutover?.copied.documents);
  expect(total('csm_copied_bytes_total')).toBe(cutover?.copied.bytes);

  const gauges: readonly string[] = Object.values(definitions)
    .filter((metric) => metric.type === 'gauge')
    .map((metric) => metric.name);
  const left = over.filter((sample) => gauges.includes(sample.name) && !Number.isNaN(sample.value));
  expect(left.filter((sample) => sample.name !== 'csm_steps_running')).toEqual([]);
  expect(left.filter((sample) => sample.value !== 0)).toEqual([]);
  const seen = new Set(over.map((sample) => sample.name));
  const unseen = Object.values(definitions).filter((metric) => !seen.has(metric.name));
  expect(unseen.map((metric) => metric.name)).toEqual(['csm_step_failures_total']);
  expect(over.length).toBeLessThanOrEqual(SERIES_PER_MIGRATION);
  for (const sample of over) {
    const definition = Object.values(definitions).find((metric) => metric.name === sample.name);
    const ofWorkflow: readonly string[] = [definitions.ended.name, definitions.refusals.name];
    const more = ofWorkflow.includes(sample.name) ? WORKFLOW_LABELS : [];
    expect(Object.keys(sample.labels).toSorted()).toEqual(
      [...LABELS, ...(definition?.labels ?? []), ...more].toSorted(),
    );
  }
});

it('counts failures by step and type, with labels that have bounds', async () => {
  await expect((await environment.migrate('nowhere')).result()).rejects.toThrow();
  const failures = (await fetchSamples('shop.nowhere')).filter(
    ({ name }) => name === definitions.stepFailures.name,
  );
  expect(failures).toEqual([
    {
      name: 'csm_step_failures_total',
      labels: {
        source: 'source',
        target: 'target',
        collection: 'shop.nowhere',
        step: 'preflight',
        type: 'PreflightFailed',
      },
      value: 1,
    },
  ]);
  expect(Object.keys(failures[0]?.labels ?? {})).toEqual(expect.arrayContaining([...LABELS]));
});

it('logs JSON in which all lines of workflows and their steps name the workflow', async () => {
  const handle = await environment.migrate('nowhere-else', { restore: 'signal' });
  await handle.signal('cutover', { dryRun: true });
  await expect(handle.result()).rejects.toThrow();
  const lines = () =>
    worker
      .log()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const linesOf = (component: string) =>
    lines().filter((line) => line['sdkComponent'] === component);
  for (const component of ['activity', 'workflow']) {
    await expect.poll(() => linesOf(component).length, POLL).toBeGreaterThan(0);
    for (const line of linesOf(component)) {
      expect(line['workflowId'], JSON.stringify(line)).toMatch(/^migrate:source:shop\./);
    }
  }
});

it('answers probes: ready while Temporal is there, alive without it', async () => {
  await expect.poll(() => probe('/readyz'), POLL).toBe(200);
  expect(await probe('/healthz')).toBe(200);
  await environment.temporal.kill();
  await expect.poll(() => probe('/readyz'), POLL).toBe(503);
  expect(await probe('/healthz')).toBe(200);
  await environment.temporal.restart();
  await expect.poll(() => probe('/readyz'), POLL).toBe(200);
  await worker.kill('SIGTERM');
  expect(worker.process.exitCode).toBe(0);
});
