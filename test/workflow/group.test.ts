import { ApplicationFailure } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { groupMessages } from '../../src/group.js';
import { type MemberCalls, memberCalls } from '../../src/member-calls.js';
import type { Migration } from '../../src/migration.js';
import type { MemberReport } from '../../src/workflows/group/state.js';
import type { MigrationStatus } from '../../src/workflows/status.js';
import { report, traits, untilCancelled } from '../helpers/fake-activities.js';
import { deferred } from '../helpers/deferred.js';
import { historyOf } from '../helpers/history.js';
import {
  breakCopyOf,
  groupFakes,
  names,
  namespaceOf,
  runGroup,
  tellThrough,
} from '../helpers/running-group.js';
import { takenAs } from '../helpers/taken-as.js';
import { failureOf, WorkflowEnvironment } from '../helpers/workflow-environment.js';

let environment: WorkflowEnvironment;
let members: MemberCalls;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
  members = memberCalls(environment.client);
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

function sized(sizes: Readonly<Record<string, number>>) {
  return Object.entries(sizes).map(([namespace, bytes]) => ({
    namespace,
    targetNamespace: namespace,
    documents: 1,
    bytes,
  }));
}

describe('migrateCollections', () => {
  it('copies some at a time, the largest first, and cuts over all together', async () => {
    const fakes = groupFakes(environment.client);
    const sizes: Readonly<Record<string, number>> = { 'shop.a': 10, 'shop.b': 30, 'shop.c': 20 };
    fakes.set('resolveCollections', async () => ({
      collections: sized(sizes),
      leftOut: [{ namespace: 'shop.view', why: 'is a view' }],
      warnings: [],
    }));
    const copied: string[] = [];
    let atOnce = 0;
    let most = 0;
    fakes.set('planCopy', async (migration) => {
      copied.push(namespaceOf(migration));
      atOnce += 1;
      most = Math.max(most, atOnce);
      return 1;
    });
    fakes.set('renameStaging', async () => {
      atOnce -= 1;
      return '';
    });
    const gate = fakes.gate();
    fakes.set('captureToken', async () => gate.hold({ resumeToken: '1', buffer: '' }));
    const final = await runGroup(environment, fakes, { parallelCopies: 1 }, async (group) => {
      await fakes.happened('start captureToken', 3);
      gate.open();
      const ready = await group.reaches('ready');
      expect(ready).toMatchObject({
        counts: { all: 3, ready: 3 },
        leftOut: { count: 1, first: [{ namespace: 'shop.view', why: 'is a view' }] },
        waitingFor: 'cutover (update or signal)',
      });
      expect(await group.update('cutover')).toMatchObject({ collections: 3, fence: report.fence });
      return group.handle.result();
    });
    expect(most).toBe(1);
    expect(copied.toSorted()).toEqual([...names]);
    expect(final).toMatchObject({
      phase: 'completed',
      counts: { all: 3, completed: 3 },
      openedAt: report.openedAt,
    });
    expect(fakes.of('cutover')).toEqual([]);
  });

  it.each([
    ['comes first although it looks at both sides for longer', true],
    ['does not hold up the others when its look hangs', false],
  ])('the largest %s', async (_what, doesLook) => {
    const fakes = groupFakes(environment.client);
    const collections = sized({ 'shop.a': 10, 'shop.b': 30, 'shop.c': 20 });
    fakes.set('resolveCollections', async () => ({ collections, leftOut: [], warnings: [] }));
    const gate = fakes.gate();
    fakes.set('preflight', async (migration) =>
      namespaceOf(migration) === 'shop.b' ? gate.hold(traits) : traits,
    );
    const copied: string[] = [];
    fakes.set('planCopy', async (migration) => {
      copied.push(namespaceOf(migration));
      return 1;
    });
    await runGroup(environment, fakes, { parallelCopies: 1 }, async (group) => {
      const held = await group.until(({ counts }) => counts.preflight === 1 && counts.queued === 2);
      expect(held.slowest[0]).toMatchObject({ namespace: 'shop.b' });
      if (doesLook) gate.open();
      await group.until(({ counts }) => counts.ready === (doesLook ? 3 : 2));
    });
    expect(copied).toEqual([...(doesLook ? ['shop.b'] : []), 'shop.c', 'shop.a']);
  });

  it('refuses while one has failed, begins it anew, or leaves it', async () => {
    const fakes = groupFakes(environment.client);
    const mend = breakCopyOf('shop.b', fakes);
    await runGroup(environment, fakes, {}, async (group) => {
      const status = await group.until(({ counts }) => counts.ready === 2 && counts.failed === 1);
      expect(status).toMatchObject({ phase: 'ready', mayCutOver: false });
      expect(status.blockers[0]).toMatchObject({ code: 'failed' });
      expect(status.problems[0]).toMatchObject({
        namespace: 'shop.b',
        what: expect.stringContaining('the disk is gone'),
      });
      expect(await failureOf(group.update('cutover'))).toMatchObject({ type: 'CutoverRefused' });
      expect((await failureOf(group.update('cutover', { leave: ['shop.bb'] }))).message).toContain(
        '"shop.bb" (did you mean "shop.b"?) is no collection',
      );
      mend();
      expect(await group.update('retry')).toEqual({ retrying: ['shop.b'] });
      await group.until(({ counts }) => counts.ready === 3);
      expect((await failureOf(group.update('retry'))).message).toContain('nothing to begin anew');
      expect(await group.update('cutover', { leave: ['shop.a'] })).toMatchObject({
        collections: 2,
      });
      await group.until(({ counts }) => counts.completed === 2);
      await group.update('cutover');
      expect(await group.handle.result()).toMatchObject({
        phase: 'completed',
        counts: { all: 3, completed: 3 },
      });
    });
  });

  it('begins anew by a retry what has failed, and nothing that is finished or goes on', async () => {
    const fakes = groupFakes(environment.client);
    const mend = breakCopyOf('shop.b', fakes);
    const begun = () =>
      fakes.of('captureToken').map(({ args }) => namespaceOf(takenAs<Migration>(args[0])));
    await runGroup(environment, fakes, {}, async (group) => {
      await group.until(({ counts }) => counts.ready === 2 && counts.failed === 1);
      await group.update('cutover', { leave: ['shop.b', 'shop.c'] });
      const { collections } = await group.until(({ counts }) => counts.completed === 1);
      expect(collections[0]).toMatchObject({ namespace: 'shop.a', phase: 'completed' });
      expect(begun().toSorted()).toEqual([...names]);
      mend();
      const finished = await failureOf(group.update('retry', { namespaces: ['shop.a'] }));
      expect(finished.message).toContain(
        'nothing to begin anew, shop.a has not ended without a cutover; those that have: shop.b',
      );
      expect(await group.update('retry')).toEqual({ retrying: ['shop.b'] });
      await group.until(({ counts }) => counts.ready === 2 && counts.completed === 1);
      expect(begun().toSorted()).toEqual(['shop.a', 'shop.b', 'shop.b', 'shop.c']);
      await group.update('cutover');
      expect(await group.handle.result()).toMatchObject({ counts: { all: 3, completed: 3 } });
    });
  });

  it('does not take a collection from another group, and leaves that one alone', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      const { taskQueue } = await group.handle.describe();
      const other = await environment.client.workflow.start('migrateCollections', {
        taskQueue,
        workflowId: 'overlapping',
        args: [{ source: 'source', target: 'target', namespaces: ['shop.a'] }],
      });
      const failure = await failureOf(other.result());
      expect(failure).toMatchObject({ type: 'CollectionsFailed' });
      expect(failure.message).toContain('is running already, outside of this group');
      expect(await group.reaches('ready')).toMatchObject({ counts: { all: 3, ready: 3 } });
      await group.update('cutover');
      expect(await group.handle.result()).toMatchObject({ counts: { completed: 3 } });
    });
  });

  it('does not take up what would get a name that cannot be', async () => {
    const fakes = groupFakes(environment.client);
    fakes.once('watchCollections', async () => ['shop.d']);
    const rename = [{ from: 'shop.d', to: 'admin.d' }];
    await runGroup(environment, fakes, { follow: true, rename }, async (group) => {
      const status = await group.until(({ appeared }) => appeared.count === 1);
      expect(status.warnings.join()).toContain(
        "shop.d is not taken up: it is renamed to admin.d, which is one of MongoDB's own",
      );
      expect(status.counts.all).toBe(3);
    });
  });

  it('fails when all have failed', async () => {
    const fakes = groupFakes(environment.client);
    fakes.set('planCopy', async () => {
      throw ApplicationFailure.nonRetryable('the disk is gone', 'PreflightFailed');
    });
    const failure = await runGroup(environment, fakes, {}, (group) =>
      failureOf(group.handle.result()),
    );
    expect(failure).toMatchObject({ type: 'CollectionsFailed' });
    expect(failure.message).toContain('the disk is gone');
  });

  it('takes no retry any more once the last collection has ended, and comes to its end', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    fakes.set('watchCollections', async () => {
      await untilCancelled().catch(() => undefined);
      await gate.wait();
      return [];
    });
    fakes.set('planCopy', async () => {
      throw ApplicationFailure.nonRetryable('the disk is gone', 'PreflightFailed');
    });
    await runGroup(environment, fakes, {}, async (group) => {
      await group.until(({ counts }) => counts.failed === 3);
      expect((await failureOf(group.update('retry'))).message).toContain('comes too late');
      gate.open();
      expect(await failureOf(group.handle.result())).toMatchObject({ type: 'CollectionsFailed' });
    });
  });

  it('copies more at the same time once it is tuned to', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    fakes.set('planCopy', async () => gate.hold(1));
    await runGroup(environment, fakes, { parallelCopies: 1 }, async (group) => {
      await group.until(({ counts }) => counts.copying === 1 && counts.queued === 2);
      expect(await group.update('tune', { parallelCopies: 2 })).toMatchObject({
        collections: 0,
        parallelCopies: 2,
      });
      const status = await group.until(({ counts }) => counts.copying === 2);
      expect(status).toMatchObject({ counts: { queued: 1 }, settings: { parallelCopies: 2 } });
      const refusal = failureOf(group.update('tune', { parallelCopies: 0 }));
      expect((await refusal).message).toContain('"parallelCopies"');
      gate.open();
      await group.reaches('ready');
    });
  });

  it('tunes a collection that is copied too, whatever of it is of the copy', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    fakes.set('buildIndexes', () => gate.hold(0));
    await runGroup(environment, fakes, {}, async (group) => {
      await fakes.happened('start buildIndexes');
      await group.update('tune', { parallelPartitions: 3, maxBufferBytes: 2_000_000 });
      for (const namespace of names) {
        const { settings, rejectedMessages } = await group
          .child(namespace)
          .query<MigrationStatus>('status');
        expect(settings).toMatchObject({ parallelPartitions: 3, maxBufferBytes: 2_000_000 });
        expect(rejectedMessages).toEqual([]);
      }
      await group.update('tune', { parallelPartitions: 5 });
      for (const namespace of names) {
        const { settings } = await group.child(namespace).query<MigrationStatus>('status');
        expect(settings.parallelPartitions).toBe(5);
      }
      gate.open();
    });
  });

  it('passes on pause, resume, tune and restore, also to those that come later', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    fakes.once('watchCollections', async () => gate.hold(['shop.d']));
    const limited = { follow: true, restore: 'signal', maxBufferBytes: 2_000_000 };
    await runGroup(environment, fakes, limited, async (group) => {
      await group.until(({ counts }) => counts.waiting === 2);
      await group.update('tune', { maxBufferBytes: null });
      await expect(group.update('tune', { verifyDocumentsPerSecond: 500 })).resolves.toMatchObject({
        collections: 3,
        verifyDocumentsPerSecond: 500,
      });
      await group.update('pause');
      for (const namespace of names) {
        const child = await group.child(namespace).query<MigrationStatus>('status');
        expect(child).toMatchObject({
          paused: true,
          settings: { verifyDocumentsPerSecond: 500 },
        });
      }
      gate.open();
      await group.until(({ counts }) => counts.all === 4);
      await group.until(({ collections }) => collections.at(-1)?.phase !== 'preflight');
      const late = await group.child('shop.d').query<MigrationStatus>('status');
      expect(late).toMatchObject({
        paused: true,
        settings: { verifyDocumentsPerSecond: 500, maxBufferBytes: null },
      });
      await group.update('resume');
      await group.update('restore');
      await group.until(({ counts }) => counts.ready === 4);
    });
  });

  it('lets a resume not overtake a pause', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      const gate = fakes.gate();
      const held = deferred();
      fakes.once('tellMembers', async (letters) => {
        held.resolve();
        await gate.hold(undefined);
        return tellThrough(members)(letters);
      });
      const paused = group.update('pause');
      await held.promise;
      const resumed = group.update('resume');
      await group.until((status) => !status.paused);
      gate.open();
      await Promise.all([paused, resumed]);
      for (const namespace of names) {
        const child = await group.child(namespace).query<MigrationStatus>('status');
        expect(child.paused).toBe(false);
      }
    });
  });

  it('names what appears when it does not follow', async () => {
    const fakes = groupFakes(environment.client);
    fakes.once('watchCollections', async () => ['shop.d']);
    await runGroup(environment, fakes, {}, async (group) => {
      const status = await group.until(({ appeared }) => appeared.count === 1);
      expect(status.appeared.first).toEqual(['shop.d']);
      expect(status.counts.all).toBe(3);
      await vi.waitFor(() =>
        expect(fakes.of('watchCollections').at(-1)?.args[1]).toContain('shop.d'),
      );
    });
  });

  it('aborts all of them, with what is asked for', async () => {
    const fakes = groupFakes(environment.client);
    const final = await runGroup(environment, fakes, { parallelCopies: 1 }, async (group) => {
      fakes.set('planCopy', untilCancelled);
      await group.until(({ counts }) => counts.copying === 1 && counts.queued === 2);
      expect(await group.update('abort', { dropTarget: true })).toEqual({
        aborting: true,
        dropTarget: true,
      });
      return group.handle.result();
    });
    expect(final).toMatchObject({ phase: 'aborted', counts: { all: 3, aborted: 3 } });
    const cleaned = fakes.of('cleanUp').map(({ args }) => args[1]);
    expect(cleaned).toEqual(names.map(() => ({ keepBuffer: false, dropTarget: true })));
  });

  it.each(['abort', 'cancel'] as const)('ends by %s while collections still start', async (how) => {
    const fakes = groupFakes(environment.client);
    const namespaces = Array.from({ length: 20 }, (_, index) => `shop.early_${index}`);
    fakes.set('preflight', untilCancelled);
    await runGroup(environment, fakes, { namespaces }, async (group) => {
      await fakes.happened('start preflight', 16);
      expect(await group.until(({ counts }) => counts.all === 20)).toMatchObject({
        phase: 'preflight',
        counts: { preflight: 20 },
      });
      await (how === 'abort' ? group.update('abort') : group.handle.cancel());
      const ended = await group.handle.result().catch(() => undefined);
      expect(fakes.of('preflight')).toHaveLength(16);
      if (how === 'abort') {
        expect(ended).toMatchObject({ phase: 'aborted', counts: { all: 20, aborted: 20 } });
      }
    });
  });

  it('tells what is over nothing, nor what has begun anew under its id', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, { namespaces: ['shop.a'] }, async (group) => {
      await group.reaches('ready');
      const { runId } = await group.child('shop.a').describe();
      await group.update('abort');
      await group.handle.result();
      const to = { workflowId: group.child('shop.a').workflowId, runId };
      expect(await members.signal(to, 'pause')).toBe(false);
      await runGroup(environment, fakes, { namespaces: ['shop.a'] }, async (again) => {
        await again.reaches('ready');
        expect(await members.signal(to, 'pause')).toBe(false);
        expect(await again.child('shop.a').query('status')).toMatchObject({ paused: false });
      });
    });
  });

  it('goes by the newest report of a collection, and each is newer than those before', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(
      environment,
      fakes,
      { namespaces: ['shop.a'], restore: 'signal' },
      async (group) => {
        await group.reaches('waiting');
        await group.update('restore');
        await group.reaches('ready');
        const reports = (await historyOf(group.handle)).flatMap((event): MemberReport[] => {
          const signal = event.workflowExecutionSignaledEventAttributes;
          const data =
            signal?.signalName === groupMessages.report && signal.input?.payloads?.[0]?.data;
          return data ? [takenAs<MemberReport>(JSON.parse(Buffer.from(data).toString()))] : [];
        });
        const inOrder = reports.toSorted(({ order: one = 0 }, { order: other = 0 }) => one - other);
        expect(inOrder.map(({ phase, needsTurn }) => [phase, needsTurn])).toEqual([
          ['copying', true],
          ['waiting', undefined],
          ['copying', true],
          ['replaying', undefined],
          ['ready', undefined],
        ]);
        expect(new Set(reports.map(({ order }) => order)).size).toBe(reports.length);
        const late = inOrder.find(({ phase }) => phase === 'replaying');
        await group.handle.signal(groupMessages.report, late);
        await group.update('pause');
        await group.update('resume');
        expect(await group.until(({ paused }) => !paused)).toMatchObject({ phase: 'ready' });
      },
    );
  });

  it('is cancelled with all of them, which clean up', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      await group.handle.cancel();
      await expect(group.handle.result()).rejects.toThrow();
      expect(fakes.of('cleanUp')).toHaveLength(3);
    });
  });

  it.each([
    [{ namespaces: [] }, 'namespaces'],
    [{ namespaces: ['shop'] }, 'shop.*'],
    [{ rename: [{ from: 'shop.*', to: 'store.all' }] }, 'stars'],
    [{ cutover: { whenLagUnder: 9999 } }, 'whenLagUnder'],
    [{ copyDocumentsPerSecond: 5, copy: 'dump' }, 'mongodump'],
    [{ colour: 'red' }, 'colour'],
    [{ namespace: 'shop.a' }, 'namespace'],
  ])('does not take %j', async (options, named) => {
    const failure = await runGroup(environment, groupFakes(environment.client), options, (group) =>
      failureOf(group.handle.result()),
    );
    expect(failure).toMatchObject({ type: 'InvalidInput' });
    expect(failure.message).toContain(named);
  });

  it('takes a signal, and shows what it does not understand', async () => {
    await runGroup(environment, groupFakes(environment.client), {}, async (group) => {
      await group.reaches('ready');
      await group.handle.signal('cutof');
      await group.handle.signal<[object]>('retry', {});
      const status = await group.until(({ rejectedMessages }) => rejectedMessages.length === 2);
      expect(status.rejectedMessages.map(({ message }) => message).join()).toContain('cutof');
      await group.handle.signal(groupMessages.report, { namespace: 'no.such', phase: 'ready' });
      await group.handle.signal('cutover');
      expect(await group.handle.result()).toMatchObject({ phase: 'completed' });
    });
  });
});
