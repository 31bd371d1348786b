import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { Double } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComparisonReport } from '../../src/comparison.js';
import type { Inspection } from '../../src/inspection.js';
import { TASK_QUEUE } from '../../src/names.js';
import type { VerifyStatus } from '../../src/workflows/verify-status.js';
import { Environment, type WorkerProcess } from './environment.js';
import { loadItems, Writers } from './writers.js';

interface Item {
  _id: number | string;
  [field: string]: unknown;
}

const DOCUMENTS = 30_000;

let environment: Environment;
let worker: WorkerProcess;

beforeAll(async () => {
  environment = await Environment.start();
  worker = environment.startWorker();
});

afterAll(async () => {
  await environment?.stop();
});

const from = (name: string) => environment.sourceClient.db('shop').collection<Item>(name);
const to = (name: string) => environment.targetClient.db('shop').collection<Item>(name);

/** Fills both sides alike. */
async function fill(name: string, documents = DOCUMENTS): Promise<void> {
  const items = Array.from({ length: documents }, (_, index): Item => ({
    _id: index % 2 === 0 ? index : `n${index}`,
    n: index,
    text: 'x'.repeat(100),
  }));
  await Promise.all([from(name).insertMany(items), to(name).insertMany(items)]);
}

async function start(type: string, input: object): Promise<WorkflowHandle> {
  return environment.client.workflow.start(type, {
    taskQueue: TASK_QUEUE,
    workflowId: `${type}:${Date.now()}`,
    args: [{ source: 'source', target: 'target', ...input }],
  });
}

async function failureOf(handle: WorkflowHandle): Promise<unknown> {
  const error: unknown = await handle.result().catch((reason: unknown) => reason);
  return error instanceof WorkflowFailedError ? error.cause : error;
}

/** Names of all collections on both sides: what a look and a comparison must not change. */
async function collections(): Promise<string[]> {
  const clients = [environment.sourceClient, environment.targetClient];
  const lists = await Promise.all(
    clients.map((client) => client.db('shop').listCollections().toArray()),
  );
  const names = lists.flat().map(({ name }) => name);
  return names.toSorted();
}

describe('verifyCollection', () => {
  it('finds two equal collections equal, and then each thing that is changed', async () => {
    await fill('items');
    const before = await collections();
    const equal: ComparisonReport = await (await start('verifyCollection', { namespace: 'shop.items' })).result(); // prettier-ignore
    expect(equal).toMatchObject({
      equal: true,
      source: { documents: DOCUMENTS },
      target: { documents: DOCUMENTS },
      first: [],
      indexDifferences: [],
      optionDifferences: [],
    });

    await to('items').updateOne({ _id: 10 }, { $set: { n: new Double(10) } });
    await to('items').updateOne({ _id: 'n11' }, { $set: { 'deep.list': [{ price: 1 }] } });
    await to('items').deleteOne({ _id: 12 });
    await to('items').insertOne({ _id: 'more' });
    await from('items').createIndex({ n: 1 }, { unique: true });
    await to('items').createIndex({ n: 1 });
    await environment.targetClient.db('shop').command({ collMod: 'items', validationLevel: 'off' });
    const handle = await start('verifyCollection', { namespace: 'shop.items' });
    const report: ComparisonReport = await handle.result();
    expect(report).toMatchObject({ equal: false, differing: 2, missing: 1, extra: 1 });
    expect(report.first).toHaveLength(4);
    expect(report.first).toEqual(
      expect.arrayContaining([
        { id: '10', kind: 'differs', field: 'n', what: 'type, int at the source and double at the target' }, // prettier-ignore
        { id: '"n11"', kind: 'differs', field: 'deep', what: 'not at the source' },
        { id: '12', kind: 'missing' },
        { id: '"more"', kind: 'extra' },
      ]),
    );
    expect(report.indexDifferences).toMatchObject([{ name: 'n_1' }]);
    expect(report.optionDifferences).toMatchObject([{ name: 'validationLevel' }]);
    const status = await handle.query<VerifyStatus>('status');
    expect(status).toMatchObject({ phase: 'completed', percent: 100, report });
    expect(await collections()).toEqual(before);
  });

  it('goes on after kill -9, shows its progress, and reads little twice', async () => {
    await fill('killed');
    await to('killed').updateOne({ _id: 2 }, { $set: { n: -2 } });
    await to('killed').updateOne({ _id: 'n29999' }, { $set: { n: -3 } });
    const handle = await start('verifyCollection', {
      namespace: 'shop.killed',
      documentsPerSecond: 2_000,
    });
    const seen = await until(handle, ({ compared, differing }) => differing === 1 && compared.source.documents > 12_000); // prettier-ignore
    expect(seen).toMatchObject({ phase: 'comparing', total: DOCUMENTS, problem: null });
    expect(seen.percent).toBeGreaterThan(30);
    expect(seen.etaSeconds).toBeGreaterThan(0);
    await worker.kill('SIGKILL');
    worker = environment.startWorker();
    // Begun anew, it would show fewer documents than before.
    let fewest = Infinity;
    await until(handle, ({ phase, compared }) => {
      if (phase === 'comparing' && compared.source.documents > 0)
        fewest = Math.min(fewest, compared.source.documents);
      return phase === 'completed';
    });
    expect(fewest).toBeGreaterThan(10_000);
    const report = (await handle.result()) as ComparisonReport;
    expect(report).toMatchObject({
      equal: false,
      differing: 2,
      missing: 0,
      extra: 0,
      source: { documents: DOCUMENTS },
      target: { documents: DOCUMENTS },
    });
    expect(report.first.map(({ id }) => id)).toEqual(['2', '"n29999"']);
  });

  it('finds nothing in a target that follows its source, while applications write', async () => {
    await loadItems(environment.sourceClient, 'live', DOCUMENTS);
    const writers = new Writers(environment.sourceClient, 'live', DOCUMENTS, 300);
    const migration = await environment.migrate('live', { copy: 'direct' });
    await environment.until(migration, 'ready', ({ phase }) => phase === 'ready');
    const handle = await start('verifyCollection', { namespace: 'shop.live' });
    const report = (await handle.result()) as ComparisonReport;
    expect(report).toMatchObject({ differing: 0, missing: 0, extra: 0, first: [] });
    expect(report.target.documents).toBeGreaterThan(DOCUMENTS / 2);
    // Unique and TTL indexes come into force at the cutover.
    expect(report.indexDifferences.map(({ name }) => name).toSorted()).toEqual(['at_1', 'email_1']);
    await writers.stop();
    const looked = (await (
      await start('preflight', { namespace: 'shop.live' })
    ).result()) as Inspection;
    expect(looked.errors.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['migrationExists', 'targetExists']),
    );
    await environment.cutOver(migration);
    const proof = await start('verifyCollection', { namespace: 'shop.live' });
    expect(await proof.result()).toMatchObject({ equal: true });
  });

  it('ends by cancellation', async () => {
    const handle = await start('verifyCollection', {
      namespace: 'shop.killed',
      documentsPerSecond: 1_000,
    });
    await until(handle, ({ compared }) => compared.source.documents > 0);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    expect(await handle.query<VerifyStatus>('status')).toMatchObject({ phase: 'aborted' });
  });

  it.each([
    [
      'unknown alias',
      { source: 'sauce', namespace: 'shop.items' },
      'InvalidInput',
      /"sauce".*MONGODB_URI_SAUCE/s,
    ],
    ['unknown field', { namespace: 'shop.items', speed: 1 }, 'InvalidInput', /speed.*known:/s],
    [
      'missing at the target',
      { namespace: 'shop.items', targetNamespace: 'shop.none' },
      'NotComparable',
      /shop\.none at the target/,
    ],
    [
      'missing at the source',
      { namespace: 'shop.none', targetNamespace: 'shop.items' },
      'NotComparable',
      /shop\.none at the source/,
    ],
    [
      'a view',
      { namespace: 'shop.view', targetNamespace: 'shop.items' },
      'NotComparable',
      /shop\.view at the source is a view/,
    ],
  ])('%s: the workflow fails and says what to change', async (_what, input, type, message) => {
    await environment.sourceClient
      .db('shop')
      .createCollection('view', { viewOn: 'items', pipeline: [] })
      .catch(() => undefined);
    expect(await failureOf(await start('verifyCollection', input))).toMatchObject({
      type,
      message: expect.stringMatching(message),
    });
  });
});

describe('preflight', () => {
  it('answers with everything, and writes nothing', async () => {
    await fill('fresh', 10);
    await to('fresh').drop();
    await from('fresh').createIndex({ n: 1 }, { unique: true });
    const before = await collections();
    const handle = await start('preflight', { namespace: 'shop.fresh', token: 'marker' });
    const found = (await handle.result()) as Inspection;
    expect(found).toMatchObject({
      mayStart: true,
      errors: [],
      // Older servers have more of them.
      warnings: expect.arrayContaining([expect.objectContaining({ code: 'markerUnproven' })]),
      found: { indexes: 2, options: 0 },
      source: { documents: 10, topology: 'replicaSet', indexes: ['_id_', 'n_1'] },
      target: { topology: 'replicaSet', privileges: { insert: true, collMod: true } },
      disk: { folder: environment.dumpFolder },
    });
    expect(found.disk?.freeBytes).toBeGreaterThan(found.disk?.neededBytes ?? Infinity);
    expect(Math.abs(found.source?.clockSkewSeconds ?? 99)).toBeLessThan(5);
    expect(await collections()).toEqual(before);
  });

  it('completes with all that speaks against a migration', async () => {
    const handle = await start('preflight', { namespace: 'shop.items' });
    const found = (await handle.result()) as Inspection;
    expect(found).toMatchObject({
      mayStart: false,
      errors: [{ code: 'targetExists' }],
      target: { existing: { type: 'collection', documents: DOCUMENTS } },
    });
  });

  it('takes a side that cannot be reached for a finding, and looks at the other', async () => {
    await worker.kill('SIGTERM');
    worker = environment.startWorker({
      MONGODB_URI_NOWHERE: 'mongodb://user:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=300',
    });
    const handle = await start('preflight', { namespace: 'shop.fresh', target: 'nowhere' });
    const found = (await handle.result()) as Inspection;
    expect(found).toMatchObject({ mayStart: false, source: { documents: 10 } });
    expect(found).not.toHaveProperty('target');
    expect(found.errors.map(({ code }) => code)).toEqual(['targetUnreachable']);
    expect(found.errors[0]?.message).toMatch(/"nowhere".*127\.0\.0\.1:1.*MONGODB_URI_NOWHERE/s);
    expect(JSON.stringify(found)).not.toContain('s3cret');
  });

  it('fails with what is wrong in its input', async () => {
    const wrong = await failureOf(await start('preflight', { namespace: 'shop' }));
    expect(wrong).toMatchObject({ type: 'InvalidInput', message: expect.stringContaining('input of preflight') }); // prettier-ignore
    const unknown = await failureOf(
      await start('preflight', { namespace: 'a.b', source: 'sauce' }),
    );
    expect(unknown).toMatchObject({ type: 'InvalidInput' });
  });
});

/** Asks for the status until it is as wanted; asks again while no worker answers. */
async function until(
  handle: WorkflowHandle,
  isReached: (status: VerifyStatus) => boolean,
): Promise<VerifyStatus> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const status = await handle.query<VerifyStatus>('status').catch(() => undefined);
    if (status && isReached(status)) return status;
    if (Date.now() > deadline) throw new Error(JSON.stringify(status));
    await sleep(100);
  }
}
