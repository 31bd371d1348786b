import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanReport, FakeActivities, untilCancelled } from '../helpers/fake-activities.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

describe('a pause', () => {
  it('while partitions are copied ends them, and a resume copies them again', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('copyPartition', () => gate.hold({ documents: 1, bytes: 1 }));
    await environment.run(fakes, { copy: 'direct' }, async (running) => {
      await fakes.happened('start copyPartition-0');
      await fakes.happened('start copyPartition-1');
      expect(await running.update('pause', {})).toEqual({ paused: true });
      await fakes.happened('cancelled copyPartition-0');
      await fakes.happened('cancelled copyPartition-1');
      const paused = await running.status();
      expect(paused).toMatchObject({ phase: 'copying', paused: true });
      expect(paused.waitingFor).toBe('resume (update or signal)');
      expect(paused.blockers.map(({ code }) => code)).toContain('paused');
      expect(fakes.log).not.toContain('cancelled capture');
      gate.open();
      expect(await running.update('resume', {})).toEqual({ paused: false });
      await running.complete();
    });
    expect(fakes.log.filter((line) => line === 'end copyPartition-0')).toHaveLength(1);
    expect(fakes.of('copyPartition')).toHaveLength(5);
    expect(fakes.of('capture')).toHaveLength(1);
  });

  it('while it replays and compares ends both, and a resume starts both again', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('verify', () => gate.hold(cleanReport));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start replay');
      await fakes.happened('start verify');
      await running.signal('pause');
      await fakes.happened('cancelled replay');
      await fakes.happened('cancelled verify');
      expect((await running.status()).paused).toBe(true);
      gate.open();
      await running.signal('resume');
      await fakes.happened('start replay', 2);
      await fakes.happened('end verify');
      await running.complete();
    });
    expect(fakes.of('replay')).toHaveLength(2);
    expect(fakes.of('verify')).toHaveLength(2);
    expect(fakes.log.filter((line) => line === 'cancelled capture')).toHaveLength(1);
  });

  it('keeps what has ended meanwhile', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    // It does not look at the cancellation, and ends well.
    fakes.set('buildIndexes', async () => {
      await gate.wait();
      return 2;
    });
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start buildIndexes');
      await running.update('pause');
      gate.open();
      await fakes.happened('end buildIndexes');
      expect(fakes.of('renameStaging')).toEqual([]);
      await running.update('resume');
      await running.complete();
    });
    expect(fakes.of('buildIndexes')).toHaveLength(1);
    expect(fakes.of('renameStaging')).toHaveLength(1);
  });

  it('before the copy keeps it from starting', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('captureToken', () => gate.hold({ resumeToken: '82', buffer: 'b' }));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start captureToken');
      await running.update('pause');
      gate.open();
      await fakes.happened('start capture');
      await running.reaches('copying');
      expect(fakes.of('planCopy')).toEqual([]);
      await running.update('resume');
      await running.complete();
    });
  });

  it('twice is the same as once', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('pause');
      await running.update('pause');
      await fakes.happened('cancelled replay');
      await running.update('resume');
      await running.update('resume');
      await fakes.happened('start replay', 2);
      await running.complete();
    });
    expect(fakes.of('replay')).toHaveLength(2);
  });

  it('refuses a cutover until the resume', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('pause');
      expect((await running.refused('cutover', { force: ['lag'] })).message).toContain('resume');
      await running.update('resume');
      await running.complete();
    });
  });

  it('that a resume follows at once, before all has ended, harms nothing', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    // It takes its time to end.
    fakes.once('replay', async () => {
      await untilCancelled().catch(() => undefined);
      await gate.wait();
      return untilCancelled();
    });
    const final = await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start replay');
      await running.reaches('ready');
      await running.update('pause');
      await running.update('resume');
      gate.open();
      await fakes.happened('start replay', 2);
      return running.complete();
    });
    expect(final.phase).toBe('completed');
  });

  // The server does not try a cancelled activity again, so this is how it ends when its worker dies.
  it('survives that what it cancels ends with an error', async () => {
    const fakes = new FakeActivities().once('replay', async () => {
      await untilCancelled().catch(() => undefined);
      throw new Error('the connection was closed');
    });
    const final = await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('pause');
      await fakes.happened('failed replay');
      await running.update('resume');
      await fakes.happened('start replay', 2);
      return running.complete();
    });
    expect(final.phase).toBe('completed');
  });
});
