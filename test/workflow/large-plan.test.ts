import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOST_PARTITIONS } from '../../src/mongo/partitions.js';
import { FakeActivities } from '../helpers/fake-activities.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';

/** From here on a server ends a workflow; `limit.historyCount.error` of Temporal, as it comes. */
const MOST_EVENTS = 51_200;

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
