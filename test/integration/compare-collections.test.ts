import { MockActivityEnvironment } from '@temporalio/testing';
import { Code, type Collection, Double, Int32, MaxKey } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compareCollections } from '../../src/activities/compare-collections.js';
import type { ComparisonProgress, ComparisonReport } from '../../src/comparison.js';
import { Connections } from '../../src/connections.js';
import { parseVerifyCollection } from '../../src/options.js';
import { Secret } from '../../src/secret.js';
import { everyId } from '../helpers/bson.js';
import { type Any, AS_IT_IS, TestMongo } from '../helpers/data-path.js';

const ids = Object.values(everyId);

let mongo: TestMongo;
let connections: Connections;
let from: Collection<Any>;
let to: Collection<Any>;

beforeAll(async () => {
  mongo = await TestMongo.start('activity');
  const uri = new Secret(mongo.server.uri);
  connections = Connections.from({ uris: new Map([['a', uri], ['b', uri]]) }); // prettier-ignore
  from = mongo.client.db('left').collection<Any>('orders');
  to = mongo.client.db('right').collection<Any>('orders');
});

afterAll(async () => {
  await connections?.close();
  await mongo?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await Promise.all([from.drop(), to.drop()]);
  const documents = ids.map((_id) => ({ _id, n: new Int32(1) }));
  await from.insertMany(documents, AS_IT_IS);
  await to.insertMany(documents, AS_IT_IS);
});

interface Heartbeat {
  readonly progress: ComparisonProgress;
  readonly checkpoint: { readonly next?: string; readonly source: { readonly documents: number } };
}

/** One attempt, with the last heartbeat of the one before it; and all heartbeats of this one. */
async function attempt({ before, input = {} }: { before?: unknown; input?: object } = {}): Promise<{
  report: ComparisonReport;
  heartbeats: Heartbeat[];
}> {
  const parsed = parseVerifyCollection({
    source: 'a',
    target: 'b',
    namespace: 'left.orders',
    targetNamespace: 'right.orders',
    ...input,
  });
  if ('error' in parsed) throw new Error(parsed.error);
  const comparison = { workflowId: 'verify', runId: 'run-1', options: parsed.value };
  const environment = new MockActivityEnvironment({ heartbeatDetails: before });
  const heartbeats: Heartbeat[] = [];
  environment.on('heartbeat', (details: Heartbeat | undefined) => {
    if (details) heartbeats.push(JSON.parse(JSON.stringify(details)) as Heartbeat);
  });
  const report: ComparisonReport = await environment.run(() =>
    compareCollections({ connections }, comparison),
  );
  return { report, heartbeats };
}

describe('an attempt of a comparison', () => {
  it('goes on from the heartbeat of the one before it, whatever the _id in it', async () => {
    // The last two: until they are settled, no later place is one to go on from.
    await to.updateOne({ _id: new Code('return 1') }, { $set: { n: new Double(1) } });
    await to.deleteOne({ _id: new MaxKey() });
    const { report, heartbeats } = await attempt({ input: { documentsPerSecond: 4 } });
    expect(report).toMatchObject({
      equal: false,
      differing: 1,
      missing: 1,
      source: { documents: ids.length },
      target: { documents: ids.length - 1 },
    });
    const places = new Map(heartbeats.map((beat) => [beat.checkpoint?.next, beat]));
    expect(places.size).toBeGreaterThan(3);
    for (const before of [...places.values()].slice(-4)) {
      const again = await attempt({ before });
      expect(again.report).toEqual(report);
      const done = before.checkpoint?.source.documents ?? 0;
      for (const { checkpoint } of again.heartbeats) {
        expect(checkpoint?.source.documents).toBeGreaterThanOrEqual(done);
      }
    }
  }, 240_000);

  it('begins anew when a collection is another one, or the heartbeat says nothing', async () => {
    const { heartbeats } = await attempt({ input: { documentsPerSecond: 10 } });
    const before = heartbeats.find(({ checkpoint }) => checkpoint?.next !== undefined);
    expect(before?.checkpoint.source.documents).toBeGreaterThan(0);
    await to.drop();
    await to.insertMany(ids.map((_id) => ({ _id, n: new Int32(1) })), AS_IT_IS); // prettier-ignore
    for (const details of [before, undefined, 'going on', { checkpoint: { next: 'AA==' } }]) {
      const { report } = await attempt({ before: details });
      expect(report).toMatchObject({ equal: true, source: { documents: ids.length } });
    }
  }, 60_000);

  it('keeps its heartbeats small, and no documents in them', async () => {
    const long = Array.from({ length: 3_000 }, (_, index) => ({ _id: `${'k'.repeat(3_000)}${index}`, secret: 'hush' })); // prettier-ignore
    await from.insertMany(long);
    const { report, heartbeats } = await attempt();
    expect(report).toMatchObject({ missing: 3_000, equal: false });
    for (const text of heartbeats.map((beat) => JSON.stringify(beat))) {
      expect(text.length).toBeLessThan(16_000);
      expect(text).not.toContain('hush');
    }
  }, 60_000);

  it('compares indexes and options too', async () => {
    await from.createIndex({ n: 1 }, { unique: false, sparse: true });
    await to.createIndex({ n: 1 });
    await from.createIndex({ m: 1 });
    await mongo.client
      .db('right')
      .command({ collMod: 'orders', validator: { n: { $type: 'int' } } });
    const { report } = await attempt();
    expect(report).toMatchObject({ equal: false, differing: 0, missing: 0, extra: 0 });
    expect(report.indexDifferences.map(({ name, target }) => [name, target === 'none'])).toEqual([
      ['n_1', false],
      ['m_1', true],
    ]);
    expect(report.optionDifferences).toEqual([
      { name: 'validator', source: 'none', target: expect.stringContaining('n: ') },
    ]);
  });

  it('finds a collation that the target lacks, and compares the documents all the same', async () => {
    await from.drop();
    await mongo.client
      .db('left')
      .createCollection('orders', { collation: { locale: 'en', strength: 2 } });
    await from.insertMany([{ _id: 'b' }, { _id: 'A' }, { _id: 'c' }]);
    await to.deleteMany({});
    await to.insertMany([{ _id: 'b' }, { _id: 'a' }, { _id: 'c' }]);
    const { report } = await attempt();
    expect(report).toMatchObject({ missing: 1, extra: 1, differing: 0 });
    expect(report.optionDifferences.map(({ name }) => name)).toEqual(['collation']);
  });

  it('refuses to compare a collection with itself', async () => {
    const input = { targetNamespace: 'left.orders' };
    await expect(attempt({ input })).rejects.toMatchObject({
      type: 'NotComparable',
      message: expect.stringContaining('one and the same collection'),
    });
  });
});
