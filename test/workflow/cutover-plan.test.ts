import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanReport, FakeActivities, report } from '../helpers/fake-activities.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';
import { countEvents, historyOf, positionOf } from '../helpers/history.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

const refused = { refused: [{ code: 'lag', message: 'the target is 99 seconds behind' }] };

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
      const planned = {
        cutoverAt: new Date(later).toISOString(),
        cutoverWhen: null,
        cutoverAuto: false,
      };
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
        expect(await running.status()).toMatchObject({ cutoverAuto: cutover === 'auto' });
        const nothing = { cutoverAt: null, cutoverWhen: null, cutoverAuto: false };
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
      const cutoverWhen = { whenLagUnder: 5, forSeconds: 60 };
      const planned = { cutoverAt: null, cutoverWhen, cutoverAuto: false };
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
