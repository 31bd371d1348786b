import {
  ApplicationFailure,
  CancelledFailure,
  Connection,
  WorkflowFailedError,
} from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  cleanReport,
  FakeActivities,
  report,
  type Step,
  untilCancelled,
} from '../helpers/fake-activities.js';
import { type Running, WorkflowEnvironment } from '../helpers/workflow-environment.js';
import { isRunning } from '../../src/temporal.js';
import { activitiesOf, historyOf } from '../helpers/history.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

/** Makes one activity go on until it is cancelled, and then take a moment longer. */
function hang(fakes: FakeActivities, step: Step): void {
  fakes.set(step, async () => {
    try {
      return await untilCancelled();
    } finally {
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    }
  });
}

describe('abort', () => {
  it.each([
    ['captureToken', 'captureToken', {}],
    ['planCopy', 'planCopy', {}],
    ['dump', 'dump-0', {}],
    ['restore', 'restore-0', {}],
    ['copyPartition', 'copyPartition-0', { copy: 'direct' }],
    ['buildIndexes', 'buildIndexes', {}],
    ['renameStaging', 'renameStaging', {}],
    ['catchUp', 'catchUp', {}],
    ['verify', 'verify', {}],
    ['cutover', 'cutover', { cutover: 'auto' }],
  ] as const)('during %s cleans up once all activities have ended', async (step, id, fields) => {
    const fakes = new FakeActivities();
    hang(fakes, step);
    hang(fakes, 'capture');
    const final = await environment.run(fakes, fields, async (running) => {
      await fakes.happened(`start ${id}`);
      expect(await running.update('abort', { reason: 'a test' })).toEqual({
        aborting: true,
        dropTarget: false,
      });
      return running.result();
    });
    expect(final).toMatchObject({ phase: 'aborted', cutover: null, left: ['shop.orders'] });
    expect(final.problem).toBeNull();
    expect(fakes.underWayAt('start cleanUp')).toEqual([]);
    expect(fakes.log).toContain(`cancelled ${id}`);
    expect(fakes.of('cleanUp').map(({ args }) => args[1])).toEqual([
      { keepBuffer: false, dropTarget: false },
    ]);
  });

  it('drops the target only when told, by a signal too, and never keeps the buffer', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, { keepBuffer: true }, async (running) => {
      await running.reaches('ready');
      await running.signal('abort', { dropTarget: true });
      expect((await running.result()).phase).toBe('aborted');
    });
    expect(fakes.of('cleanUp')[0]?.args[1]).toEqual({ keepBuffer: false, dropTarget: true });
  });

  it('during preflight has nothing to clean up', async () => {
    const fakes = new FakeActivities();
    hang(fakes, 'preflight');
    const final = await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start preflight');
      await running.signal('abort');
      return running.result();
    });
    expect(final).toMatchObject({ phase: 'aborted', left: [] });
    expect(fakes.log).toEqual(['start preflight', 'cancelled preflight']);
  });

  it.each(['waiting', 'paused'] as const)('while it is %s', async (what) => {
    const fakes = new FakeActivities();
    const fields = what === 'waiting' ? { restore: 'signal' } : {};
    const final = await environment.run(fakes, fields, async (running) => {
      await running.reaches(what === 'waiting' ? 'waiting' : 'ready');
      if (what === 'paused') await running.update('pause');
      await running.update('abort');
      return running.result();
    });
    expect(final.phase).toBe('aborted');
    expect(fakes.underWayAt('start cleanUp')).toEqual([]);
  });

  it('refuses a cutover from then on, and ends one that waits', async () => {
    const fakes = new FakeActivities();
    hang(fakes, 'cutover');
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const waiting = running.refused('cutover');
      await fakes.happened('start cutover');
      await running.update('abort');
      expect((await waiting).type).toBe('CutoverRefused');
      await running.result();
    });
  });
});

function lost(): never {
  throw ApplicationFailure.nonRetryable('the oplog is too short', 'ChangeStreamHistoryLost', {
    hours: 1,
  });
}

describe('a failure', () => {
  it('of capture that nothing can mend fails the migration, cleaned up, with its type', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    hang(fakes, 'verify');
    fakes.set('capture', async () => {
      await gate.wait();
      return lost();
    });
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start verify');
      gate.open();
      const failure = await running.failure();
      expect(failure).toMatchObject({
        type: 'ChangeStreamHistoryLost',
        message: 'the oplog is too short (left: shop.orders)',
        details: [{ hours: 1 }],
        nonRetryable: true,
      });
      const status = await running.status();
      expect(status).toMatchObject({ phase: 'failed', left: ['shop.orders'], mayCutOver: false });
      expect(status.problem?.what).toBe('the oplog is too short');
    });
    expect(fakes.underWayAt('start cleanUp')).toEqual([]);
    expect(fakes.log).toContain('cancelled replay');
    expect(fakes.of('cleanUp')[0]?.args[1]).toEqual({ keepBuffer: false, dropTarget: false });
  });

  it.each(['captureToken', 'dump', 'restore', 'renameStaging', 'verify', 'cutover'] as const)(
    'of %s that nothing can mend fails the migration, cleaned up',
    async (step) => {
      const fakes = new FakeActivities().set(step, async () => lost());
      await environment.run(fakes, { cutover: 'auto' }, async (running) => {
        expect((await running.failure()).type).toBe('ChangeStreamHistoryLost');
      });
      expect(fakes.underWayAt('start cleanUp')).toEqual([]);
      expect(fakes.of(step).every(({ attempt }) => attempt === 1)).toBe(true);
    },
  );

  it('of preflight tells everything and cleans nothing up', async () => {
    const fakes = new FakeActivities().set('preflight', async () => {
      throw ApplicationFailure.nonRetryable('2 things', 'PreflightFailed', { code: 'view' });
    });
    await environment.run(fakes, {}, async (running) => {
      const failure = await running.failure();
      expect(failure).toMatchObject({ type: 'PreflightFailed', message: '2 things' });
      expect(failure.details).toEqual([{ code: 'view' }]);
    });
    expect(fakes.log).toEqual(['start preflight', 'failed preflight']);
  });

  it('says what is left when the clean-up fails too', async () => {
    const fakes = new FakeActivities().set('planCopy', async () => lost()).set('cleanUp', lost);
    await environment.run(fakes, {}, async (running) => {
      expect((await running.failure()).message).toContain(
        'what this migration wrote for shop.orders',
      );
    });
  });

  it('that may pass is tried again, and the migration goes on', async () => {
    const steps = ['preflight', 'captureToken', 'capture', 'planCopy', 'dump', 'restore'] as const;
    const later = ['buildIndexes', 'renameStaging', 'replay', 'verify', 'convertIndexes'] as const;
    const fakes = new FakeActivities();
    for (const step of [...steps, ...later, 'countLateWrites', 'cleanUp'] as const) {
      fakes.once(step, async () => {
        throw new Error('no primary');
      });
    }
    const final = await environment.run(fakes, { parallelPartitions: 1 }, async (running) => {
      await fakes.happened('start replay', 2);
      await fakes.happened('start capture', 2);
      return running.complete();
    });
    expect(final).toMatchObject({ phase: 'completed', cutover: report });
    expect(fakes.calls.filter(({ attempt }) => attempt === 2)).toHaveLength(13);
  });
});

describe('a cancellation of the workflow', () => {
  it('cleans up and ends it as cancelled', async () => {
    const fakes = new FakeActivities();
    hang(fakes, 'capture');
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.handle.cancel();
      const error: unknown = await running.result().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(WorkflowFailedError);
      expect(error).toHaveProperty('cause', expect.any(CancelledFailure));
      expect((await running.status()).phase).toBe('aborted');
    });
    expect(fakes.underWayAt('start cleanUp')).toEqual([]);
    expect(fakes.of('cleanUp')[0]?.args[1]).toEqual({ keepBuffer: false, dropTarget: false });
  });

  it('after the cutover does not stop what remains to be done', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('convertIndexes', () => gate.hold(undefined));
    const final = await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('cutover');
      await fakes.happened('start convertIndexes');
      await running.handle.cancel();
      gate.open();
      return running.result();
    });
    expect(final.phase).toBe('completed');
    expect(fakes.log).toContain('end cleanUp');
  });
});

it('answers a cutover that an abort has ended, when it has ended', async () => {
  const fakes = new FakeActivities().set('cutover', untilCancelled);
  const final = await environment.run(fakes, {}, async (running) => {
    await running.reaches('ready');
    const refusal = running.refused('cutover');
    await fakes.happened('start cutover');
    await running.update('abort');
    expect((await refusal).message).toContain('ended');
    expect(fakes.log).toContain('end cleanUp');
    return running.result();
  });
  expect(final).toMatchObject({ phase: 'aborted', cutover: null });
});

// Applications may write to the target by the time at which the cutover lets go.
describe.each(['abort', 'cancel'] as const)('a cutover that is done in spite of %s', (how) => {
  it('is waited for, and is what counts', async () => {
    const fakes = new FakeActivities().set('cutover', async () => {
      await untilCancelled().catch(() => undefined);
      // All else has ended meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return { done: report };
    });
    const final = await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const answer = running.update('cutover');
      await fakes.happened('start cutover');
      await (how === 'abort' ? running.update('abort') : running.handle.cancel());
      expect(await answer).toEqual(report);
      return running.result();
    });
    expect(final).toMatchObject({ phase: 'completed', cutover: report });
    expect(fakes.underWayAt('start cleanUp')).toEqual([]);
    expect(fakes.of('cleanUp')).toHaveLength(1);
  });
});

describe('an input that is wrong', () => {
  it.each([
    ['an unknown field', { fast: true }, '"fast"'],
    ['no namespace', { namespace: undefined }, '"namespace"'],
    ['a namespace without a dot', { namespace: 'orders' }, '"namespace"'],
    ['a text', 'shop.orders', 'Invalid input'],
    ['nothing', null, '"source"'],
    ['a connection string', { source: 'mongodb://u:s3cret@h' }, 'connection string'],
  ])('fails the workflow at once: %s', async (_what, payload, text) => {
    const fakes = new FakeActivities();
    await environment.run(fakes, payload, async (running: Running) => {
      const failure = await running.failure();
      expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
      expect(failure.message).toContain(text);
      expect(failure.message).not.toContain('s3cret');
      expect(activitiesOf(await historyOf(running.handle))).toEqual([]);
    });
    expect(fakes.calls).toEqual([]);
  });
});

it('a second start of the same id is refused while the first one runs', async () => {
  const fakes = new FakeActivities().set('verify', async () => cleanReport);
  await environment.run(fakes, {}, async (running) => {
    const { workflowId } = running.handle;
    const again = environment.client.workflow.start('migrateCollection', {
      taskQueue: 'none',
      workflowId,
      workflowIdConflictPolicy: 'FAIL',
    });
    await expect(again).rejects.toThrow(/already started/i);
    await running.complete();
  });
  expect(fakes.of('preflight')).toHaveLength(1);
});

describe('a reset', () => {
  it('goes on in another run, and the first one counts as running', async () => {
    const { client } = environment;
    await environment.run(new FakeActivities(), {}, async (running) => {
      await running.reaches('ready');
      const { workflowId } = running.handle;
      const { runId } = await running.handle.describe();
      expect(await isRunning(client, workflowId, runId)).toBe(true);
      const { events } = await running.handle.fetchHistory();
      const eventId = events?.find((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
      if (!eventId) throw new Error('the workflow has no history');
      const { connection } = client;
      if (!(connection instanceof Connection)) throw new Error('not a connection to a server');
      await connection.workflowService.resetWorkflowExecution({
        namespace: 'default',
        workflowExecution: { workflowId, runId },
        workflowTaskFinishEventId: eventId,
        requestId: `${workflowId}-reset`,
      });
      expect((await client.workflow.getHandle(workflowId).describe()).runId).not.toBe(runId);
      expect(await isRunning(client, workflowId, runId)).toBe(true);
      await client.workflow.getHandle(workflowId).terminate();
      expect(await isRunning(client, workflowId, runId)).toBe(false);
    });
  });
});
