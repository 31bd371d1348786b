import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAtLeast } from '../../src/mongo/final-plan.js';
import { Environment } from './environment.js';
import { loadItems } from './writers.js';

let environment: Environment;
let hasSeries: boolean;

beforeAll(async () => {
  environment = await Environment.start();
  environment.startWorker();
  await loadItems(environment.sourceClient, 'items', 100);
  const db = environment.sourceClient.db('shop');
  await db.createCollection('view', { viewOn: 'items', pipeline: [] });
  const [version] = await environment.versions();
  hasSeries = isAtLeast(version, 5, 0);
  if (hasSeries) await db.createCollection('series', { timeseries: { timeField: 'at' } });
  await db.collection<{ _id: number }>('marked').insertOne({ _id: -1 });
  const target = environment.targetClient.db('shop');
  await target.collection<{ _id: number }>('taken').insertOne({ _id: 1 });
  await loadItems(environment.sourceClient, 'taken', 10);
  await loadItems(environment.sourceClient, 'foreign', 10);
  await target.collection('cdc.foreign').insertOne({});
});

afterAll(async () => {
  await environment.stop();
});

/** What is wrong, the input, and what the failure has to name. */
const cases: readonly [string, Record<string, unknown>, RegExp][] = [
  ['unknown alias', { source: 'sauce' }, /"sauce".*source, target.*MONGODB_URI_SAUCE/s],
  ['connection string', { source: 'mongodb://u:hidden@h/' }, /connection string.*MONGODB_URI_/s],
  ['namespace without a dot', { namespace: 'shop' }, /"namespace".*<database>\.<collection>/s],
  ['unknown field', { coppy: 'dump' }, /coppy.*known:.*copy/s],
  ['wrong type', { partitionBytes: '1 GB' }, /"partitionBytes".*number/s],
  ['system collection', { namespace: 'shop.system.views' }, /own collections/],
  ['view', { namespace: 'shop.view' }, /shop\.view.*view/s],
  ['time series', { namespace: 'shop.series' }, /shop\.series.*time.?series/is],
  ['missing collection', { namespace: 'shop.nothing' }, /shop\.nothing/],
  ['target not empty', { namespace: 'shop.taken' }, /shop\.taken.*1 document/s],
  ['foreign buffer', { namespace: 'shop.foreign' }, /cdc\.foreign/],
  ['marker refused', { namespace: 'shop.marked', token: 'marker' }, /_id.*-1/s],
];

it.for(cases)(
  '%s: the workflow fails and says what to change',
  async ([what, input, message], { skip }) => {
    skip(what === 'time series' && !hasSeries, 'the source is older than 5.0');
    const before = await environment.leftovers();
    const handle = await environment.migrate('items', input);
    const error = await handle.result().then(
      () => undefined,
      (reason: unknown) => reason,
    );

    expect(error).toBeInstanceOf(WorkflowFailedError);
    const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
    expect(cause?.message).toMatch(message);
    expect(cause?.message).not.toContain('hidden');
    expect(await environment.leftovers()).toEqual(before);
  },
);

it('a second migration to the same target is refused, the first goes on', async () => {
  const first = await environment.migrate('items', { restore: 'signal' });
  await environment.until(first, 'waiting', ({ phase }) => phase === 'waiting');
  const second = await environment.client.workflow.start('migrateCollection', {
    taskQueue: 'changestream-migration',
    workflowId: 'second',
    args: [{ source: 'source', target: 'target', namespace: 'shop.items' }],
  });
  const error = await second.result().catch((reason: unknown) => reason);

  const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
  expect(cause?.message).toContain(first.workflowId);
  await first.signal('restore');
  await environment.cutOver(first);
  const [source, target] = await environment.hashes('items');
  expect(target).toBe(source);
});
