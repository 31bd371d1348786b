import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupMessages, type MemberRun } from '../../src/group.js';
import { type MemberCalls, memberCalls } from '../../src/member-calls.js';
import type { MigrationStatus } from '../../src/workflows/status.js';
import { report, untilCancelled } from '../helpers/fake-activities.js';
import { breakCopyOf, groupFakes, names, runGroup } from '../helpers/running-group.js';
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

describe('the cutover of a group', () => {
  it('lets go of all when one is refused, and can be asked again', async () => {
    const fakes = groupFakes(environment.client);
    const refused = [{ code: 'differences', message: '1 document differs', namespace: 'shop.b' }];
    const together = fakes.of('cutoverTogether').length;
    fakes.once('cutoverTogether', async (_group, { members: going, cutover, force }) => {
      await Promise.all(going.map((to) => members.join(to, { cutover, force })));
      return { refused };
    });
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      const failure = await failureOf(group.update('cutover'));
      expect(failure).toMatchObject({ type: 'CutoverRefused', details: refused });
      const status = await group.reaches('ready');
      expect(status.lastRefusal?.blockers).toEqual(refused);
      for (const namespace of names) {
        for (;;) {
          const child = await group.child(namespace).query<MigrationStatus>('status');
          if (child.phase === 'ready') break;
        }
      }
      await group.update('cutover');
      expect(await group.handle.result()).toMatchObject({ phase: 'completed' });
    });
    expect(fakes.of('cutoverTogether')).toHaveLength(together + 2);
  });

  it('does not let an outcome that comes late end a later cutover', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      fakes.set('cutoverTogether', async (_group, { members: going, cutover, force }) => {
        await Promise.all(going.map((to) => members.join(to, { cutover, force })));
        const late = { cutover: cutover - 1, outcome: { refused: [] } };
        await Promise.all(going.map((to) => members.signal(to, groupMessages.outcome, late)));
        const phases = await Promise.all(
          names.map(
            async (each) => (await group.child(each).query<MigrationStatus>('status')).phase,
          ),
        );
        expect(phases).toEqual(names.map(() => 'cuttingOver'));
        return {
          done: { ...report, collections: going.length },
          reports: going.map(() => report),
        };
      });
      await group.update('cutover');
      expect(await group.handle.result()).toMatchObject({ counts: { completed: 3 } });
    });
  });

  it('lets no collection stand by for a cutover that has ended', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      let request = { cutover: 0, force: [] as readonly string[] };
      let going: readonly MemberRun[] = [];
      fakes.once('cutoverTogether', async (_group, order) => {
        request = { cutover: order.cutover, force: order.force };
        going = order.members;
        return { refused: [{ code: 'lag', message: 'behind' }] };
      });
      await expect(group.update('cutover')).rejects.toThrow();
      // An attempt that was frozen asks now, or a question that was long under way arrives.
      const [first] = going;
      const answer = first && (await members.join(first, request));
      expect(answer).toEqual({ refused: [expect.objectContaining({ code: 'ended' })] });
      await group.until(({ counts }) => counts.ready === 3);
      await group.update('cutover');
      expect(await group.handle.result()).toMatchObject({ counts: { completed: 3 } });
    });
  });

  it('lets a collection go that an attempt may hold still, before another cutover may take it', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      fakes.set('letGo', () => gate.hold(undefined));
      fakes.once('cutoverTogether', async (_group, { members: going, cutover, force }) => {
        await Promise.all(going.map((to) => members.join(to, { cutover, force })));
        const silent = { code: 'unknown', message: 'silent', namespace: 'shop.b' };
        return { refused: [silent], held: ['shop.b'] };
      });
      await expect(group.update('cutover')).rejects.toThrow();
      await fakes.happened('start letGo');
      expect(fakes.of('letGo')).toHaveLength(1);
      const [migration] = fakes.of('letGo')[0]?.args ?? [];
      expect(migration).toMatchObject({ options: { namespace: 'shop.b' } });
      const child = group.child('shop.b');
      const { runId } = await child.describe();
      const to = { namespace: 'shop.b', workflowId: child.workflowId, runId };
      expect(await members.join(to, { cutover: 2, force: [] })).toMatchObject({
        refused: [{ code: 'cuttingOver' }],
      });
      gate.open();
      await group.childReaches('shop.b', 'ready');
      await group.update('cutover');
      expect(await group.handle.result()).toMatchObject({ counts: { completed: 3 } });
    });
  });

  it('ends completed where the cutover was done before the abort', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      fakes.once('cutoverTogether', async (_group, { members: going, cutover, force }) => {
        await Promise.all(going.map((to) => members.join(to, { cutover, force })));
        const asked = group.update('abort');
        await untilCancelled().catch(() => undefined);
        await asked;
        return {
          done: { ...report, collections: going.length },
          reports: going.map(() => report),
        };
      });
      await group.update('cutover').catch(() => undefined);
      expect(await group.handle.result()).toMatchObject({
        phase: 'completed',
        counts: { all: 3, completed: 3 },
      });
      expect(fakes.of('cleanUp').map(({ args }) => args[1])).toEqual(
        names.map(() => ({ keepBuffer: false, dropTarget: false })),
      );
    });
  });

  it('is cut over once the largest lag of all is small for long enough', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    fakes.set('untilLagsAre', () => gate.hold(undefined));
    const bound = { whenLagUnder: 2, forSeconds: 30 };
    const final = await runGroup(environment, fakes, { cutover: bound }, async (group) => {
      const waiting = await group.until(
        ({ phase, waitingFor }) => phase === 'ready' && waitingFor !== null,
      );
      expect(waiting).toMatchObject({ cutoverAt: null, cutoverWhen: bound });
      expect(waiting.waitingFor).toContain('a lag of at most 2 s for 30 s');
      await fakes.happened('start untilLagsAre');
      const other = { whenLagUnder: 5, forSeconds: 60 };
      expect(await group.update('cutover', { whenLagUnder: 5 })).toMatchObject({
        cutoverWhen: other,
      });
      await fakes.happened('start untilLagsAre', 2);
      expect(fakes.of('cutoverTogether')).toHaveLength(0);
      gate.open();
      return group.handle.result();
    });
    expect(final).toMatchObject({ phase: 'completed', counts: { completed: 3 } });
    const [, runs, first] = fakes.of('untilLagsAre')[0]?.args ?? [];
    expect(first).toEqual(bound);
    expect(runs).toMatchObject({ databases: ['shop'], runIds: { length: 3 } });
  });

  it('is cut over by a plan without one that has failed, and rejects a dry run that nobody could hear', async () => {
    const fakes = groupFakes(environment.client);
    breakCopyOf('shop.b', fakes);
    const gate = fakes.gate();
    fakes.set('untilLagsAre', () => gate.hold(undefined));
    const final = await runGroup(environment, fakes, {}, async (group) => {
      await group.until(({ counts }) => counts.ready === 2 && counts.failed === 1);
      await group.handle.signal('cutover', { dryRun: true });
      const told = await group.until(({ rejectedMessages }) => rejectedMessages.length === 1);
      expect(told.rejectedMessages[0]?.message).toContain('dryRun does nothing as a signal');
      const plan = { whenLagUnder: 2, leave: ['shop.b', 'shop.c'] };
      expect(await group.update('cutover', plan)).toMatchObject({
        cutoverWhen: { whenLagUnder: 2 },
        cutoverLeave: { count: 2, first: plan.leave, isReady: true, needsRetry: false },
      });
      await fakes.happened('start untilLagsAre');
      expect(await group.status()).toMatchObject({ cutoverLeave: { count: 2 } });
      gate.open();
      const done = await group.until(({ counts }) => counts.completed === 1);
      // Nothing that the plan does not leave is there any more.
      expect(done).toMatchObject({ cutoverWhen: null, waitingFor: 'cutover (update or signal)' });
      await group.update('cutover', { leave: ['shop.b'] });
      return group.handle.result();
    });
    expect(final).toMatchObject({ phase: 'completed', counts: { completed: 2, failed: 1 } });
    expect(final).not.toHaveProperty('cutoverLeave');
    const [, runs] = fakes.of('untilLagsAre')[0]?.args ?? [];
    expect(runs).toMatchObject({ runIds: { length: 1 } });
    expect(fakes.of('dryRunTogether')).toEqual([]);
  });

  it('answers a cutover that is under way as it ends, although the group is cancelled', async () => {
    const fakes = groupFakes(environment.client);
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      const gate = fakes.gate();
      fakes.set('cutoverTogether', async (_group, { members: going, cutover, force }) => {
        await Promise.all(going.map((to) => members.join(to, { cutover, force })));
        await gate.hold(undefined);
        return {
          done: { ...report, collections: going.length },
          reports: going.map(() => report),
        };
      });
      const answer = group.update('cutover');
      await fakes.happened('start cutoverTogether');
      await group.handle.cancel();
      gate.open();
      expect(await answer).toMatchObject({ collections: 3, openedAt: report.openedAt });
      expect(await group.handle.result()).toMatchObject({ phase: 'completed' });
    });
  });

  it('has carried out its plan when the cutover at that time is done', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    // Until then the group goes on.
    fakes.set('convertIndexes', () => gate.hold(undefined));
    const cutover = { at: new Date(Date.now() + 15_000).toISOString() };
    await runGroup(environment, fakes, { cutover }, async (group) => {
      expect(await group.reaches('ready')).toMatchObject({ cutoverAt: cutover.at });
      await fakes.happened('start convertIndexes', names.length);
      expect(await group.until(() => true)).toMatchObject({ cutoverAt: null });
      gate.open();
      expect(await group.handle.result()).toMatchObject({
        phase: 'completed',
        cutoverAt: null,
        lastRefusal: null,
      });
    });
  });

  it('keeps its plan when it was cut over before without some, and loses it when none is left', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    fakes.set('convertIndexes', () => gate.hold(undefined));
    const cutover = { at: new Date(Date.now() + 3_600_000).toISOString() };
    await runGroup(environment, fakes, { cutover }, async (group) => {
      await group.reaches('ready');
      await group.update('cutover', { leave: ['shop.c'] });
      expect(await group.reaches('ready')).toMatchObject({ cutoverAt: cutover.at });
      await group.update('cutover');
      expect(await group.reaches('cuttingOver')).toMatchObject({ cutoverAt: null });
    });
  });

  it('has one cutover: that of a single collection is refused and names the group', async () => {
    await runGroup(environment, groupFakes(environment.client), {}, async (group) => {
      await group.reaches('ready');
      const failure = await failureOf(group.child('shop.a').executeUpdate('cutover'));
      expect(failure).toMatchObject({ type: 'CutoverRefused' });
      expect(failure.message).toContain(group.handle.workflowId);
    });
  });

  it('holds still what stands by for the cutover of the group', async () => {
    const fakes = groupFakes(environment.client);
    const gate = fakes.gate();
    fakes.once('cutoverTogether', async (_group, { members: going, cutover, force }) => {
      await Promise.all(going.map((to) => members.join(to, { cutover, force })));
      return gate.hold({ refused: [] });
    });
    await runGroup(environment, fakes, {}, async (group) => {
      await group.reaches('ready');
      const asked = group.update('cutover').catch(() => undefined);
      await fakes.happened('start cutoverTogether');
      const child = group.child('shop.a');
      await group.childReaches('shop.a', 'cuttingOver');
      expect((await failureOf(child.executeUpdate('restart'))).message).toContain('cutover');
      expect((await failureOf(child.executeUpdate('abort'))).message).toContain('group');
      const member: MemberRun = {
        namespace: 'shop.a',
        workflowId: child.workflowId,
        runId: (await child.describe()).runId,
      };
      // A new attempt of the activity asks again.
      expect(await members.join(member, { cutover: 1, force: [] })).toMatchObject({
        options: { namespace: 'shop.a' },
      });
      gate.open();
      await asked;
    });
  });

  it('takes its time from the start, and cuts over by itself', async () => {
    const fakes = groupFakes(environment.client);
    const final = await runGroup(environment, fakes, { cutover: 'auto' }, (group) =>
      group.handle.result(),
    );
    expect(final).toMatchObject({ phase: 'completed', counts: { completed: 3 } });
  });
});
