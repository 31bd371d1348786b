import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanReport, FakeActivities, report, untilCancelled } from '../helpers/fake-activities.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';
import { countEvents, historyOf, lasting, positionOf } from '../helpers/history.js';

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
      expect(fakes.log).toEqual(expect.arrayContaining(['cancelled capture', 'cancelled replay']));
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

/** So many milliseconds from now, in another zone than UTC. */
function timeIn(ms: number): string {
  const there = new Date(Date.now() + ms + 2 * 3_600_000);
  return there.toISOString().replace('Z', '+02:00');
}

const HOUR_MS = 3_600_000;

describe('a cutover at a time', () => {
  it('given at the start comes by itself, and not before', async () => {
    let calledAt = 0;
    const fakes = new FakeActivities().set('cutover', async () => {
      calledAt = Date.now();
      return { done: report };
    });
    const at = timeIn(8_000);
    const final = await environment.run(fakes, { cutover: { at } }, async (running) => {
      const { cutoverAt, cutoverWhen } = await running.status();
      expect({ cutoverAt, cutoverWhen }).toEqual({
        cutoverAt: new Date(at).toISOString(),
        cutoverWhen: null,
      });
      return running.result();
    });
    expect(final).toMatchObject({ phase: 'completed', cutover: report, cutoverAt: null });
    expect(calledAt).toBeGreaterThanOrEqual(Date.parse(at));
    const [call] = fakes.of('cutover');
    const notAfter = new Date(Date.parse(at) + 5 * 60_000).toISOString();
    expect(call?.args.slice(1)).toEqual([[], notAfter]);
  });

  it('is planned by a message at any moment, with force, and replaced by the next one', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('planCopy', () => gate.hold(1));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start planCopy');
      const later = timeIn(HOUR_MS);
      const planned = { cutoverAt: new Date(later).toISOString(), cutoverWhen: null };
      expect(await running.update('cutover', { at: later })).toEqual(planned);
      expect(await running.status()).toMatchObject(planned);
      gate.open();
      await running.reaches('ready');
      await running.signal('cutover', { at: timeIn(1_000), force: ['lag'] });
      await running.result();
      const events = await historyOf(running.handle);
      expect(countEvents(events, 'timerStartedEventAttributes')).toBe(2);
      expect(countEvents(events, 'timerCanceledEventAttributes')).toBe(1);
    });
    expect(fakes.of('cutover').map(({ args }) => args[1])).toEqual([['lag']]);
  });

  it('is withdrawn by a message, and so is "auto"', async () => {
    for (const cutover of ['auto', { at: timeIn(HOUR_MS) }]) {
      const fakes = new FakeActivities();
      const gate = fakes.gate();
      fakes.set('verify', () => gate.hold(cleanReport));
      await environment.run(fakes, { cutover }, async (running) => {
        await fakes.happened('start verify');
        const nothing = { cutoverAt: null, cutoverWhen: null };
        expect(await running.update('cutover', { at: null })).toEqual(nothing);
        gate.open();
        const ready = await running.reaches('ready');
        expect(ready).toMatchObject({ ...nothing, waitingFor: 'cutover (update or signal)' });
        await running.complete();
      });
      expect(fakes.of('cutover')).toHaveLength(1);
    }
  });

  it('that is refused says why and is tried again', async () => {
    const fakes = new FakeActivities().once('cutover', async () => refused);
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('cutover', { at: timeIn(500) });
      const status = await running.until(({ lastRefusal }) => lastRefusal !== null);
      expect(status.lastRefusal?.blockers).toEqual(refused.refused);
      expect((await running.result()).phase).toBe('completed');
    });
    expect(fakes.of('cutover')).toHaveLength(2);
  });

  it('finds the copy unfinished, says so, and comes when it is done', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('planCopy', () => gate.hold(1));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start planCopy');
      await running.update('cutover', { at: timeIn(1_000) });
      const status = await running.until(({ lastRefusal }) => lastRefusal !== null);
      expect(status.phase).toBe('copying');
      expect(status.lastRefusal?.blockers.map(({ code }) => code)).toContain('copy');
      gate.open();
      expect((await running.result()).phase).toBe('completed');
    });
    expect(fakes.of('cutover')).toHaveLength(1);
  });

  it('stays planned when a cutover in between is refused, and gives way to one that is not', async () => {
    const fakes = new FakeActivities().once('cutover', async () => refused);
    await environment.run(fakes, { cutover: { at: timeIn(HOUR_MS) } }, async (running) => {
      const { cutoverAt, waitingFor } = await running.reaches('ready');
      expect(waitingFor).toBe(`the time of the cutover, ${cutoverAt}`);
      await running.refused('cutover');
      expect((await running.status()).cutoverAt).toBe(cutoverAt);
      await running.complete();
    });
  });

  it('does not hinder an abort', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, { cutover: { at: timeIn(HOUR_MS) } }, async (running) => {
      await running.reaches('ready');
      await running.update('abort');
      expect(await running.result()).toMatchObject({ phase: 'aborted', cutoverAt: null });
    });
  });

  it.each([
    [{ at: '2020-01-01T00:00:00Z' }, '"at": is in the past: it is 2'],
    [{ at: '2026-12-01T02:00:00' }, '"at": has no time zone'],
    [{ at: 'tomorrow' }, '"at": must be a time with its zone'],
    [{ at: '3026-12-01T02:00:00Z' }, '"at": is more than 366 days away'],
    [{ whenLagUnder: 0 }, '"whenLagUnder"'],
    [{ forSeconds: 5 }, '"forSeconds" belongs to "whenLagUnder"'],
    [{ at: null, dryRun: true }, '"dryRun" asks about a cutover now'],
  ])('is refused as %j, as an update and as a signal', async (payload, text) => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const failure = await running.refused('cutover', payload);
      expect(failure).toMatchObject({ type: 'InvalidInput' });
      expect(failure.message).toContain(`Invalid payload of cutover: ${text}`);
      await running.signal('cutover', payload);
      const status = await running.until(({ rejectedMessages }) => rejectedMessages.length > 0);
      expect(status.rejectedMessages[0]?.message).toContain(text);
      expect(status).toMatchObject({ phase: 'ready', cutoverAt: null, cutoverWhen: null });
    });
  });

  it('in the past is refused at the start', async () => {
    const at = '2020-01-01T00:00:00Z';
    const failure = await environment.run(new FakeActivities(), { cutover: { at } }, (running) =>
      running.failure(),
    );
    expect(failure).toMatchObject({ type: 'InvalidInput' });
    expect(failure.message).toContain('"cutover.at": is in the past');
  });

  it('cannot be planned while a cutover is under way', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('cutover', () => gate.hold({ done: report }));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.signal('cutover');
      await running.reaches('cuttingOver');
      const failure = await running.refused('cutover', { at: timeIn(HOUR_MS) });
      expect(failure.message).toContain('a cutover is under way');
      gate.open();
      await running.result();
    });
  });
});

describe('a cutover at a small lag', () => {
  const bound = { whenLagUnder: 2, forSeconds: 30 };

  it('waits for it, not while it is paused, and then comes by itself', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('untilLagIs', () => gate.hold(undefined));
    await environment.run(fakes, { cutover: bound }, async (running) => {
      await fakes.happened('start untilLagIs');
      const status = await running.status();
      expect(status).toMatchObject({ phase: 'ready', cutoverAt: null, cutoverWhen: bound });
      expect(status.waitingFor).toContain('a lag of at most 2 s for 30 s');
      await running.update('pause');
      await fakes.happened('cancelled untilLagIs');
      await running.update('resume');
      await fakes.happened('start untilLagIs', 2);
      gate.open();
      expect((await running.result()).phase).toBe('completed');
    });
    expect(fakes.of('untilLagIs')[0]?.args[1]).toEqual(bound);
    expect(fakes.of('cutover').map(({ args }) => args.slice(1))).toEqual([[[]]]);
  });

  it('is tried again after a refusal, and ends when it is replaced or somebody cuts over', async () => {
    const fakes = new FakeActivities().once('cutover', async () => refused);
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const planned = { cutoverAt: null, cutoverWhen: { whenLagUnder: 5, forSeconds: 60 } };
      expect(await running.update('cutover', { whenLagUnder: 5 })).toEqual(planned);
      await fakes.happened('end cutover');
      const gate = fakes.gate();
      fakes.set('untilLagIs', () => gate.hold(undefined));
      await fakes.happened('start untilLagIs', 2);
      await running.update('cutover', { at: null });
      await fakes.happened('cancelled untilLagIs');
      await running.update('cutover', { whenLagUnder: 5 });
      await fakes.happened('start untilLagIs', 3);
      await running.complete();
      expect(fakes.log).toContain('cancelled untilLagIs');
    });
    expect(fakes.of('cutover')).toHaveLength(2);
  });
});

describe('cutover "auto"', () => {
  it('cuts over when all is compared', async () => {
    const fakes = new FakeActivities();
    const final = await environment.run(fakes, { cutover: 'auto' }, (running) => running.result());
    expect(final).toMatchObject({ phase: 'completed', cutover: report });
    expect(fakes.log.indexOf('end verify')).toBeLessThan(fakes.log.indexOf('start cutover'));
  });

  it('waits while it is paused', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('verify', async () => {
      await gate.wait();
      return cleanReport;
    });
    await environment.run(fakes, { cutover: 'auto' }, async (running) => {
      await fakes.happened('start verify');
      await running.update('pause');
      gate.open();
      const { blockers } = await running.reaches('ready');
      expect(blockers.map(({ code }) => code)).toContain('paused');
      expect(fakes.of('cutover')).toEqual([]);
      await running.update('resume');
      await running.result();
    });
  });

  it('takes a cutover that somebody asks for between two tries at once', async () => {
    const fakes = new FakeActivities().once('cutover', async () => refused);
    await environment.run(fakes, { cutover: 'auto' }, async (running) => {
      await running.until(({ lastRefusal, phase }) => lastRefusal !== null && phase === 'ready');
      await running.update('cutover');
      await running.result();
      const events = await historyOf(running.handle);
      const asked = positionOf(events, 'workflowExecutionUpdateAcceptedEventAttributes');
      expect(countEvents(events.slice(asked), 'timerFiredEventAttributes')).toBe(0);
    });
    expect(fakes.of('cutover')).toHaveLength(2);
  });
});
