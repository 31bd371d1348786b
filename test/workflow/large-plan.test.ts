import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOST_PARTITIONS } from '../../src/mongo/partitions.js';
import { FakeActivities } from '../helpers/fake-activities.js';
import { groupFakes, runGroup } from '../helpers/running-group.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';

/** From here on a server ends a workflow; `limit.historyCount.error` of Temporal, as it comes. */
const MOST_EVENTS = 51_200;
const MOST_BYTES = 50 * 1024 * 1024;

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

describe('the largest plan there is', () => {
  it('fits into a history several times, although each partition is dumped and restored', async () => {
    const fakes = new FakeActivities().set('planCopy', async () => MOST_PARTITIONS);
    const input = { copy: 'dump', parallelPartitions: 32 };
    await environment.run(fakes, input, async (running) => {
      // Not by asking for the status all the time, which is as much work as the rest.
      await fakes.happened('start reverify');
      await running.complete();
      expect(fakes.of('restore')).toHaveLength(MOST_PARTITIONS);
      const { historyLength } = await running.handle.describe();
      expect(historyLength).toBeGreaterThan(6 * MOST_PARTITIONS);
      expect(historyLength).toBeLessThan(MOST_EVENTS / 3);
    });
  });
});

describe('a group of 500 collections', () => {
  it('would fit into a history several times, by what some take', async () => {
    const namespaces = Array.from({ length: 12 }, (_, index) => `shop.collection_${index}`);
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, { namespaces, parallelCopies: 8 }, async (group) => {
      const isReady = async () => (await group.status()).counts.ready === namespaces.length;
      while (!(await isReady())) await sleep(1_000);
      await group.update('pause');
      await group.update('resume');
      await group.update('cutover');
      await group.handle.result();
      const { historyLength, historySize = Number.NaN } = await group.handle.describe();
      const share = namespaces.length / 500;
      expect(historyLength / share).toBeLessThan(MOST_EVENTS / 3);
      expect(historySize / share).toBeLessThan(MOST_BYTES / 3);
    });
  });
});
