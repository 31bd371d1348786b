import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanReport, FakeActivities, report, untilCancelled } from '../helpers/fake-activities.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';
import { historyOf, lasting } from '../helpers/history.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

const refused = { refused: [{ code: 'lag', message: 'the target is 99 seconds behind' }] };

describe('a cutover that comes too early', () => {
  it('is refused as a signal, says why, and is not remembered', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('planCopy', () => gate.hold(1));
    const final = await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start planCopy');
      await running.signal('cutover');
      const { lastRefusal, phase } = await running.until((status) => status.lastRefusal !== null);
      expect(phase).toBe('copying');
      expect(lastRefusal?.blockers.map(({ code }) => code)).toEqual(['copy', 'verification']);
      gate.open();
      const ready = await running.reaches('ready');
      expect(ready.waitingFor).toBe('cutover (update or signal)');
      expect(ready.lastRefusal).toEqual(lastRefusal);
      expect(fakes.of('cutover')).toEqual([]);
      await running.signal('cutover');
      return running.result();
    });
    expect(final).toMatchObject({ phase: 'completed', cutover: report });
    expect(fakes.of('cutover')).toHaveLength(1);
  });

  it('is refused as an update, with the blockers, and leaves no history', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('verify', () => gate.hold(cleanReport));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start verify');
      await running.until(({ verification }) => verification.state === 'running');
      const before = lasting(await historyOf(running.handle));
      const failure = await running.refused('cutover');
      expect(failure).toMatchObject({ type: 'CutoverRefused', nonRetryable: true });
      expect(failure.message).toContain(
        'comparison of all documents is not finished (verification)',
      );
      expect(failure.details).toEqual([expect.objectContaining({ code: 'verification' })]);
      expect(lasting(await historyOf(running.handle))).toEqual(before);
    });
  });

  it('goes through when the blocker is one of opinion and is forced by its code', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('verify', () => gate.hold(cleanReport));
    const final = await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start verify');
      await running.until(({ verification }) => verification.state === 'running');
      expect(await running.update('cutover', { force: ['verification'] })).toEqual(report);
      return running.result();
    });
    expect(final.phase).toBe('completed');
    expect(fakes.of('cutover')[0]?.args[1]).toEqual(['verification']);
    expect(fakes.log).toContain('cancelled verify');
  });

  it('cannot be forced past an unfinished copy', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('planCopy', () => gate.hold(1));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start planCopy');
      const failure = await running.refused('cutover', { force: ['verification'] });
      expect(failure.message).toBe('the cutover is refused: the copy is not finished (copy)');
    });
  });
});

describe('a cutover', () => {
  it('answers an update with its report', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      expect(await running.update('cutover', {})).toEqual(report);
      expect((await running.result()).phase).toBe('completed');
    });
  });

  it('that the servers refuse lets the migration go on, and may be tried again', async () => {
    const fakes = new FakeActivities().once('cutover', async () => refused);
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const failure = await running.refused('cutover');
      expect(failure).toMatchObject({ type: 'CutoverRefused', details: refused.refused });
      const status = await running.status();
      expect(status.phase).toBe('ready');
      expect(status.lastRefusal?.blockers).toEqual(refused.refused);
      expect(fakes.log).not.toContain('cancelled replay');
      expect(fakes.log).not.toContain('cancelled capture');
      expect(await running.update('cutover')).toEqual(report);
      expect((await running.result()).phase).toBe('completed');
    });
    expect(fakes.of('capture')).toHaveLength(1);
    expect(fakes.of('replay')).toHaveLength(1);
  });

  it('is tried again when its activity fails', async () => {
    const fakes = new FakeActivities().once('cutover', async () => {
      throw new Error('no primary');
    });
    await environment.run(fakes, {}, (running) => running.complete());
    expect(fakes.of('cutover').map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('refuses a second one while it is under way', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('cutover', () => gate.hold({ done: report }));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const first = running.update('cutover');
      await running.reaches('cuttingOver');
      expect((await running.refused('cutover')).message).toContain('a cutover is under way');
      gate.open();
      expect(await first).toEqual(report);
      await running.result();
    });
    expect(fakes.of('cutover')).toHaveLength(1);
  });

  it('is followed by what writes nothing to open targets, until all of it has ended', async () => {
    const fakes = new FakeActivities()
      .set('countLateWrites', async () => ({ count: 2, first: ['1', '2'] }))
      .set('cleanUp', async () => ({ removed: [], left: ['shop.cdc'] }));
    const gate = fakes.gate();
    fakes.set('convertIndexes', () => gate.hold(undefined));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('cutover');
      await fakes.happened('start convertIndexes');
      await fakes.happened('cancelled capture');
      await fakes.happened('cancelled replay');
      const open = await running.status();
      expect(open.openedAt).toBe(report.openedAt);
      expect(open.phase).not.toBe('completed');
      for (const late of ['pause', 'abort', 'restore', 'resume']) {
        expect((await running.refused(late)).message).toContain('comes too late');
      }
      gate.open();
      const final = await running.result();
      expect(final.lateWrites).toEqual({ count: 2, first: ['1', '2'] });
      expect(final.left).toEqual(['shop.cdc']);
    });
    expect(fakes.of('cleanUp')).toHaveLength(1);
  });

  it('cleans up only when all else has ended', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('capture', async () => {
      await untilCancelled().catch(() => undefined);
      await gate.wait();
    });
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('cutover');
      await fakes.happened('end countLateWrites');
      expect(fakes.of('cleanUp')).toHaveLength(0);
      gate.open();
      await running.result();
    });
    expect(fakes.underWayAt('start cleanUp')).not.toContain('capture');
  });

  // Its activity was cancelled: how that one ends is of no matter for a target that is open.
  it.each(['capture', 'replay'] as const)(
    'completes although the cancelled %s ends with an error',
    async (name) => {
      const fakes = new FakeActivities().set(name, async () => {
        await untilCancelled().catch(() => undefined);
        throw new Error('the connection was closed');
      });
      const final = await environment.run(fakes, {}, (running) => running.complete());
      expect(final).toMatchObject({ phase: 'completed', cutover: report });
      expect(fakes.of('cleanUp')[0]?.args[1]).toEqual({ keepBuffer: false, dropTarget: false });
    },
  );

  it('completes although a comparison that it ended fails', async () => {
    const fakes = new FakeActivities().set('verify', async () => {
      await untilCancelled().catch(() => undefined);
      throw new Error('more than 50000 documents differ');
    });
    const final = await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start verify');
      await running.until(({ verification }) => verification.state === 'running');
      await running.update('cutover', { force: ['verification'] });
      return running.result();
    });
    expect(final.phase).toBe('completed');
  });

  // Whoever reads openedAt lets applications write to the target.
  it('and an abort while it ran never both count', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('cutover', async () => {
      await gate.wait();
      return { done: report };
    });
    const final = await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.signal('cutover');
      await fakes.happened('start cutover');
      await running.update('abort', { dropTarget: true });
      gate.open();
      return running.result();
    });
    const { phase, openedAt } = final;
    const dropTarget = phase === 'aborted';
    expect(openedAt).toBe(dropTarget ? null : report.openedAt);
    const cleanUps = fakes.of('cleanUp').map(({ args }) => args[1]);
    expect(cleanUps).toEqual([{ keepBuffer: false, dropTarget }]);
  });
});

describe('a dry run of a cutover', () => {
  const lag = { code: 'lag', message: 'the target is 99 seconds behind' };
  const dryRun = { dryRun: true };

  it('answers what speaks against it, and nothing else happens', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      fakes.once('dryRun', async () => [lag]);
      expect(await running.update('cutover', dryRun)).toEqual({
        mayCutOver: false,
        blockers: [lag],
      });
      expect(await running.update('cutover', { ...dryRun, force: ['lag'] })).toEqual({
        mayCutOver: true,
        blockers: [],
      });
      expect(fakes.of('dryRun').map(({ id, args }) => [id, args[1]])).toEqual([
        ['dryRun-1', []],
        ['dryRun-2', ['lag']],
      ]);
      expect(await running.status()).toMatchObject({ phase: 'ready', lastRefusal: null });
      expect(fakes.of('cutover')).toEqual([]);
      expect(fakes.log.filter((line) => line.startsWith('cancelled'))).toEqual([]);
      await running.complete();
    });
  });

  it('does not ask the servers before the target follows', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('planCopy', () => gate.hold(1));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start planCopy');
      const answer = await running.update('cutover', { ...dryRun, force: ['verification'] });
      const copy = { code: 'copy', message: 'the copy is not finished' };
      expect(answer).toEqual({ mayCutOver: false, blockers: [copy] });
    });
    expect(fakes.of('dryRun')).toEqual([]);
  });

  it('says during a cutover that one is under way', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('cutover', () => gate.hold({ done: report }));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.signal('cutover');
      await running.reaches('cuttingOver');
      const answer = await running.update('cutover', dryRun);
      expect(answer).toMatchObject({ mayCutOver: false, blockers: [{ code: 'cuttingOver' }] });
      gate.open();
      await running.result();
    });
    expect(fakes.of('dryRun')).toEqual([]);
  });

  it('answers although the servers cannot be read', async () => {
    const fakes = new FakeActivities().set('dryRun', async () => {
      throw ApplicationFailure.nonRetryable('no primary', 'MongoDBUnreachable');
    });
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      expect(await running.update('cutover', dryRun)).toEqual({
        mayCutOver: false,
        blockers: [
          { code: 'unknown', message: 'the state at the servers could not be read: no primary' },
        ],
      });
    });
  });

  it('does nothing as a signal, and says so', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.signal('cutover', dryRun);
      const status = await running.until(({ rejectedMessages }) => rejectedMessages.length > 0);
      expect(status.rejectedMessages[0]?.message).toContain('send the update');
      expect(status).toMatchObject({ phase: 'ready', lastRefusal: null });
    });
    expect([...fakes.of('cutover'), ...fakes.of('dryRun')]).toEqual([]);
  });
});
