import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Comparison } from '../../src/comparison.js';
import type { preflight, verifyCollection } from '../../src/workflows/index.js';
import type { VerifyStatus } from '../../src/workflows/verify-status.js';
import {
  comparisonReport,
  FakeActivities,
  inspection,
  untilCancelled,
} from '../helpers/fake-activities.js';
import { activitiesOf, historyOf } from '../helpers/history.js';
import { failureOf, input, WorkflowEnvironment } from '../helpers/workflow-environment.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

const look = environmentRun<typeof preflight>('preflight');
const verify = environmentRun<typeof verifyCollection>('verifyCollection');

/** Runs one kind of workflow. */
function environmentRun<W extends (payload?: unknown) => Promise<unknown>>(type: string) {
  return <T>(
    fakes: FakeActivities,
    payload: unknown,
    story: Parameters<typeof environment.runWorkflow<W, T>>[3],
  ) => environment.runWorkflow<W, T>(type, fakes, payload, story);
}

describe('preflight', () => {
  it('answers with what one step has found, errors too', async () => {
    const found = { ...inspection, mayStart: false, errors: [{ code: 'targetExists', message: 'it exists' }] }; // prettier-ignore
    const fakes = new FakeActivities().set('inspect', async () => found);
    await look(fakes, { ...input, copy: 'direct' }, async (handle) => {
      expect(await handle.result()).toEqual(found);
      const steps = activitiesOf(await historyOf(handle));
      expect(steps).toEqual([
        { id: 'inspect', type: 'inspect', summary: 'Look at both sides and report; nothing is written' }, // prettier-ignore
      ]);
    });
    expect(fakes.of('inspect')[0]?.args[0]).toMatchObject({
      options: { copy: 'direct', targetNamespace: 'shop.orders' },
    });
    expect(fakes.calls).toHaveLength(1);
  });

  it('says of many collections what a group would be, and what it would be refused for', async () => {
    const found = {
      collections: [{ namespace: 'shop.a', targetNamespace: 'store.a', documents: 3, bytes: 90 }],
      leftOut: [{ namespace: 'shop.view', why: 'is a view' }],
      warnings: ['the clocks differ'],
    };
    const fakes = new FakeActivities().once('resolveCollections', async () => found);
    const many = { source: 'source', target: 'target', namespaces: ['shop.*'] };
    await look(fakes, many, async (handle) => {
      expect(await handle.result()).toEqual({
        mayStart: true,
        errors: [],
        errorsNotShown: 0,
        ...found,
      });
    });
    // What an earlier run of the group has cut over is not done again: it is looked for under the group's id.
    expect(fakes.of('resolveCollections')[0]?.args[0]).toMatchObject({
      workflowId: 'migrate:source:shop.*',
      answers: true,
    });
    const unread = [{ namespace: 'shop.b', targetNamespace: 'store.b' }];
    const refusal = { errors: ['shop.b: it exists'], errorsNotShown: 3, unread };
    fakes.once('resolveCollections', async () => ({ ...found, refusal }));
    await look(fakes, many, async (handle) => {
      expect(await handle.result()).toEqual({
        ...found,
        mayStart: false,
        errors: refusal.errors,
        errorsNotShown: 3,
        collections: [...found.collections, ...unread],
      });
    });
    const reasons = ['"shop.x*" matches no collection', 'shop.a exists at the target'];
    fakes.set('resolveCollections', async () => {
      throw ApplicationFailure.nonRetryable('2 things speak', 'PreflightFailed', ...reasons);
    });
    await look(fakes, many, async (handle) => {
      expect(await handle.result()).toMatchObject({ mayStart: false, errors: reasons });
    });
    const mistyped = { ...many, namespaces: ['shop'] };
    const failure = await look(fakes, mistyped, (handle) => failureOf(handle.result()));
    expect(failure).toMatchObject({ type: 'InvalidInput' });
    expect(failure.message).toContain('input of preflight');
  });

  it('fails with what is wrong in its input, before any step', async () => {
    const fakes = new FakeActivities();
    const failure = await look(fakes, { ...input, copy: 'fast' }, (handle) =>
      failureOf(handle.result()),
    );
    expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
    expect(failure.message).toContain('"copy"');
    expect(fakes.calls).toEqual([]);
  });

  it('does not try for ever', async () => {
    const fakes = new FakeActivities().set('inspect', async () => {
      throw ApplicationFailure.create({ type: 'MongoDBError', message: 'the server is moody' });
    });
    const failure = await look(fakes, input, (handle) => failureOf(handle.result()));
    expect(failure).toMatchObject({ type: 'MongoDBError', message: 'the server is moody' });
    expect(fakes.of('inspect')).toHaveLength(3);
  });
});

describe('verifyCollection', () => {
  it('answers with the report of one step, and its status is the report too', async () => {
    const report = { ...comparisonReport, equal: false, missing: 1 };
    const fakes = new FakeActivities().set('compareCollections', async () => report);
    await verify(fakes, { ...input, documentsPerSecond: 5 }, async (handle) => {
      expect(await handle.result()).toEqual(report);
      const status = await handle.query<VerifyStatus>('status');
      expect(status).toMatchObject({ phase: 'completed', report, missing: 1, percent: 100 });
      expect(status).not.toHaveProperty('$live');
      expect(activitiesOf(await historyOf(handle))).toMatchObject([{ id: 'compareCollections' }]);
    });
    expect(fakes.of('compareCollections')[0]?.args[0]).toMatchObject({
      options: { documentsPerSecond: 5, targetNamespace: 'shop.orders' },
    });
  });

  it('leaves the mark for the worker to fill in while it runs', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('compareCollections', () => gate.hold(comparisonReport));
    await verify(fakes, input, async (handle) => {
      await fakes.happened('start compareCollections');
      const status = await handle.query<VerifyStatus & { $live: Comparison }>('status');
      expect(Object.keys(status)[0]).toBe('$live');
      expect(status).toMatchObject({
        $live: { kind: 'verify', workflowId: handle.workflowId },
        state: { phase: 'comparing' },
        phase: 'comparing',
      });
      gate.open();
      expect(await handle.result()).toEqual(comparisonReport);
    });
  });

  it('ends by cancellation, when its step has ended', async () => {
    const fakes = new FakeActivities().set('compareCollections', untilCancelled);
    await verify(fakes, input, async (handle) => {
      await fakes.happened('start compareCollections');
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
      expect((await handle.describe()).status.name).toBe('CANCELLED');
      expect((await handle.query<VerifyStatus>('status')).phase).toBe('aborted');
    });
    expect(fakes.log).toContain('cancelled compareCollections');
  });

  it('fails with the type and the message of its step', async () => {
    const fakes = new FakeActivities().set('compareCollections', async () => {
      throw ApplicationFailure.create({ type: 'NotComparable', message: 'a view', nonRetryable: true }); // prettier-ignore
    });
    await verify(fakes, input, async (handle) => {
      expect(await failureOf(handle.result())).toMatchObject({ type: 'NotComparable', message: 'a view' }); // prettier-ignore
      const status = await handle.query<VerifyStatus>('status');
      expect(status).toMatchObject({ phase: 'failed', problem: { what: 'a view' } });
    });
  });

  it.each([{ target: 'source' }, { namespace: 'orders' }, { copy: 'dump' }])(
    'fails with what is wrong in its input: %j',
    async (wrong) => {
      const fakes = new FakeActivities();
      const failure = await verify(fakes, { ...input, ...wrong }, (handle) =>
        failureOf(handle.result()),
      );
      expect(failure.type).toBe('InvalidInput');
      expect(fakes.calls).toEqual([]);
    },
  );
});
