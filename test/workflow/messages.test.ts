import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { activitiesOf, countEvents, historyOf, lasting } from '../helpers/history.js';
import { cleanReport, FakeActivities, report, traits } from '../helpers/fake-activities.js';
import {
  failureOf,
  input,
  type Running,
  WorkflowEnvironment,
} from '../helpers/workflow-environment.js';
import { Output } from '../../src/cli/output.js';
import { send } from '../../src/cli/send.js';
import type { Session } from '../../src/cli/session.js';
import { takenAs } from '../helpers/taken-as.js';
import { LIVE_DETAILS } from '../../src/workflows/live.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

interface Metadata {
  readonly definition: {
    readonly queryDefinitions: readonly { name: string; description: string }[];
    readonly signalDefinitions: readonly { name: string; description: string }[];
    readonly updateDefinitions: readonly { name: string; description: string }[];
  };
  readonly currentDetails: string;
}

async function metadata({ handle }: Running): Promise<Metadata> {
  return handle.query<Metadata>('__temporal_workflow_metadata');
}

describe('a message that is not understood', () => {
  it.each([
    [
      'cutovr',
      undefined,
      'unknown signal "cutovr" (did you mean "cutover"?): known are restore, cu',
    ],
    ['cutover', { forced: true }, 'Invalid payload of cutover'],
    ['cutover', 'now', 'Invalid payload of cutover'],
    ['cutover', { force: 'lag' }, '"force"'],
    ['pause', { minutes: 5 }, '"minutes"'],
    ['abort', { dropTarget: 'yes' }, '"dropTarget"'],
    ['restore', ['now'], 'Invalid payload of restore'],
    ['abort', { reason: 'mongodb://u:s3cret@h/' }, 'connection string'],
  ])('is shown in the status and changes nothing: %s %j', async (name, payload, text) => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.signal(name, payload);
      const status = await running.until(({ rejectedMessages }) => rejectedMessages.length > 0);
      expect(status.rejectedMessages).toEqual([
        { at: expect.stringMatching(/^\d{4}-.*Z$/), message: expect.stringContaining(text) },
      ]);
      expect(JSON.stringify(status.rejectedMessages)).not.toContain('s3cret');
      expect(status).toMatchObject({ phase: 'ready', paused: false, lastRefusal: null });
      expect((await metadata(running)).currentDetails).toContain('Not understood');
    });
    expect(fakes.of('cutover')).toEqual([]);
  });

  it.each([
    ['cutover', { forced: true }],
    ['pause', { minutes: 5 }],
    ['abort', { dropTarget: 1 }],
    ['restore', 'now'],
    ['resume', { reason: 5 }],
  ])('is refused as an update and leaves no history: %s %j', async (name, payload) => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const before = lasting(await historyOf(running.handle));
      const failure = await running.refused(name, payload);
      expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true, stack: '' });
      expect(failure.message).toContain(`Invalid payload of ${name}`);
      expect(lasting(await historyOf(running.handle))).toEqual(before);
      const { rejectedMessages, phase, paused } = await running.status();
      expect({ rejectedMessages, phase, paused }).toEqual({
        rejectedMessages: [],
        phase: 'ready',
        paused: false,
      });
    });
  });

  it('is refused with what may have been meant, also with more than one payload', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      expect((await running.refused('cutovr')).message).toContain(
        'unknown update "cutovr" (did you mean "cutover"?): known are restore, cutover',
      );
      const args: [unknown, unknown] = [{ force: ['lag'] }, { dryRun: true }];
      const untyped = environment.client.workflow.getHandle(running.handle.workflowId);
      const update = untyped.executeUpdate<unknown, [unknown, unknown]>('cutover', { args });
      expect((await failureOf(update)).message).toContain('takes one JSON object');
      await untyped.signal<unknown[]>('cutover', ...args);
      const told = await running.until(({ rejectedMessages }) => rejectedMessages.length > 0);
      expect(told.rejectedMessages[0]?.message).toContain('takes one JSON object');
    });
    expect(fakes.of('cutover')).toEqual([]);
  });

  it('is shortened, however much it holds', async () => {
    const fields = Array.from({ length: 2_000 }, (_, index) => [`field_${index}`, index]);
    await environment.run(new FakeActivities(), {}, async (running) => {
      await running.signal('pause', Object.fromEntries(fields));
      const told = await running.until(({ rejectedMessages }) => rejectedMessages.length > 0);
      expect(JSON.stringify(told.rejectedMessages).length).toBeLessThan(1_500);
    });
  });

  it('keeps the last 20 of them', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      for (let index = 0; index < 22; index++) await running.signal(`wrong-${index}`);
      const { rejectedMessages } = await running.until((status) =>
        status.rejectedMessages.some(({ message }) => message.includes('wrong-21')),
      );
      expect(rejectedMessages).toHaveLength(20);
      expect(rejectedMessages[0]?.message).toContain('wrong-2"');
    });
  });
});

describe('a start that is not understood', () => {
  it.each(['migrateCollection', 'migrateCollections', 'verifyCollection', 'preflight'])(
    'ends where it has more than one payload: %s',
    async (type) => {
      const namespaces = type === 'migrateCollections' ? { namespaces: ['shop.*'] } : input;
      const start = { ...input, ...namespaces };
      const failure = await environment.runWorkflow(
        type,
        new FakeActivities(),
        start,
        async (handle) => failureOf(handle.result()),
        [{ copy: 'direct' }],
      );
      expect(failure).toMatchObject({ type: 'InvalidInput' });
      expect(failure.message).toContain('takes one JSON object, and not a list or several');
    },
  );

  it('ends where its type is mistyped', async () => {
    const failure = await environment.runWorkflow(
      'migrateColection',
      new FakeActivities(),
      input,
      async (handle) => failureOf(handle.result()),
    );
    expect(failure).toMatchObject({ type: 'InvalidInput' });
    expect(failure.message).toContain('"migrateColection" (did you mean "migrateCollection"?)');
  });
});

describe('what people see', () => {
  it('is the phase at every moment', async () => {
    const fakes = new FakeActivities();
    const at = () => fakes.gate();
    const gates = { preflight: at(), plan: at(), verify: at(), cutover: at(), late: at() };
    fakes
      .set('preflight', () => gates.preflight.hold({ ...traits, warnings: ['a short oplog'] }))
      .set('planCopy', () => gates.plan.hold(1))
      .set('verify', () => gates.verify.hold(cleanReport))
      .set('cutover', () => gates.cutover.hold({ done: report }))
      .set('countLateWrites', () => gates.late.hold({ count: 0, first: [] }));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start preflight');
      expect(await running.status()).toMatchObject({
        phase: 'preflight',
        source: 'source',
        target: 'target',
        namespace: 'shop.orders',
        targetNamespace: 'shop.orders',
        mayCutOver: false,
      });
      gates.preflight.open();
      expect(await running.reaches('copying')).toMatchObject({
        total: { documents: 30, bytes: 3000 },
        warnings: ['a short oplog'],
      });
      gates.plan.open();
      await running.reaches('replaying');
      const comparing = await running.until(({ verification }) => verification.state === 'running');
      expect(comparing.copiedPercent).toBe(100);
      gates.verify.open();
      expect((await running.reaches('ready')).verification.report).toEqual(cleanReport);
      await running.signal('cutover');
      const cutting = await running.reaches('cuttingOver');
      expect(cutting.blockers.map(({ code }) => code)).toContain('cuttingOver');
      gates.cutover.open();
      const open = await running.until(({ openedAt }) => openedAt !== null);
      expect(open.cutover).toEqual(report);
      gates.late.open();
      expect((await running.result()).phase).toBe('completed');
      expect((await running.status()).phase).toBe('completed');
    });
  });

  it('is a page of Markdown and a description of each message, also after the end', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const { currentDetails, definition } = await metadata(running);
      expect(currentDetails.startsWith(LIVE_DETAILS.start)).toBe(true);
      const page = currentDetails.slice(currentDetails.indexOf(LIVE_DETAILS.end));
      expect(page).toContain('## source:shop.orders → target:shop.orders');
      expect(page).toContain('**ready**');
      const { queryDefinitions, signalDefinitions, updateDefinitions } = definition;
      for (const [list, names] of [
        [queryDefinitions, ['status']],
        [signalDefinitions, ['abort', 'cutover', 'pause', 'restart', 'restore', 'resume', 'tune']],
        [updateDefinitions, ['abort', 'cutover', 'pause', 'restart', 'restore', 'resume', 'tune']],
      ] as const) {
        const described = list.filter(({ description }) => description.length > 10);
        expect(described.map(({ name }) => name)).toEqual(expect.arrayContaining([...names]));
      }
      await running.complete();
      const after = (await metadata(running)).currentDetails;
      expect(after.startsWith('## source:shop.orders')).toBe(true);
      expect(after).toContain(report.openedAt);
    });
  });

  it('is an id and a summary of every activity', async () => {
    const fakes = new FakeActivities();
    const events = await environment.run(fakes, {}, async (running) => {
      await running.complete();
      return historyOf(running.handle);
    });
    const activities = activitiesOf(events);
    for (const [id, type, summary] of [
      ['preflight', 'preflight', 'Look at both sides; nothing is written'],
      ['capture', 'capture', 'Keep every change in the buffer until the cutover'],
      ['dump-1', 'dump', 'mongodump: partition 1'],
      ['restore-2', 'restore', 'mongorestore: partition 2'],
      ['cutover', 'cutover', 'Fence, last changes, indexes into force'],
    ]) {
      expect(activities).toContainEqual({ id, type, summary });
    }
    for (const { id, summary } of activities) {
      expect(String(summary).length, id).toBeGreaterThan(10);
      expect(String(summary), id).not.toContain('%');
    }
  });

  it('is in a short history, whatever the size of the collection', async () => {
    const fakes = new FakeActivities().set('planCopy', async () => 20);
    const events = await environment.run(fakes, { copy: 'direct' }, async (running) => {
      await running.complete();
      return historyOf(running.handle);
    });
    expect(countEvents(events, 'activityTaskScheduledEventAttributes')).toBe(35);
    // Three events each, four cancellations, start and end, the update, two of each patch: no timers.
    expect(lasting(events)).toHaveLength(35 * 3 + 4 + 2 + 2 + 10);
  });
});

it('a message that csm sends to a migration that is over comes too late, and says so', async () => {
  const { client } = environment;
  const { connection } = client;
  if (!(connection instanceof Connection)) throw new Error('a connection of its own was expected');
  // A worker is there; this test is not about one.
  const worker = { identity: '1@host', lastAccessTime: { seconds: Date.now() / 1000 } };
  const call = async () => ({ pollers: [worker] });
  const session = takenAs<Session>({ client, connection, call, namespace: 'default' });
  await environment.run(new FakeActivities(), {}, async (running) => {
    await running.complete();
    const { workflowId, runId } = await running.handle.describe();
    const late = send(session, Output.for({ json: false, isTerminal: false }), {
      workflowId,
      runId,
      name: 'abort',
      payload: {},
    });
    await expect(late).rejects.toMatchObject({
      exit: 'refused',
      message: 'abort comes too late: the migration is over',
      todo: [expect.stringContaining('csm status ')],
    });
  });
});
