import { ApplicationFailure } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { groupMessages } from '../../src/group.js';
import { groupFakes, runGroup } from '../helpers/running-group.js';
import { failureOf, WorkflowEnvironment } from '../helpers/workflow-environment.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

it('says which of its collections somebody has to look at after the cutover, and why', async () => {
  const fakes = groupFakes(environment.client);
  fakes
    .set('countLateWrites', async ({ options: { namespace } }) =>
      namespace === 'shop.b' ? { count: 2, first: ['1', '2'] } : { count: 0, first: [] },
    )
    .set('convertIndexes', async ({ options: { namespace } }) => {
      if (namespace !== 'shop.c') return undefined;
      throw ApplicationFailure.nonRetryable('email_1 cannot be unique', 'PreflightFailed');
    });
  await runGroup(environment, fakes, {}, async (group) => {
    await group.reaches('ready');
    await group.update('cutover');
    const { phase, afterwards } = await group.handle.result();
    expect(phase).toBe('completed');
    expect(afterwards).toEqual({
      count: 2,
      first: [
        { namespace: 'shop.b', what: [expect.stringContaining('2 writes reached the source')] },
        { namespace: 'shop.c', what: [expect.stringContaining('email_1 cannot be unique')] },
      ],
    });
  });
});

it('goes on whatever somebody sends that is between it and its collections', async () => {
  const fakes = groupFakes(environment.client);
  await runGroup(environment, fakes, {}, async (group) => {
    await group.reaches('ready');
    const child = group.child('shop.a');
    const letters: readonly unknown[][] = [[], [null], [{}], [{ cutover: 1 }], ['x']];
    for (const letter of letters) {
      await child.signal<unknown[]>(groupMessages.outcome, ...letter);
      await group.handle.signal<unknown[]>(groupMessages.report, ...letter);
      const update = child.executeUpdate<unknown, [unknown]>(groupMessages.cutover, {
        args: [letter[0]],
      });
      expect(await failureOf(update)).toMatchObject({ type: 'InvalidInput' });
    }
    await group.handle.signal(groupMessages.report, { namespace: 'shop.a' });
    expect((await group.until(({ counts }) => counts.ready === 3)).phase).toBe('ready');
    await group.update('cutover');
    expect(await group.handle.result()).toMatchObject({ phase: 'completed' });
  });
});
