import { ApplicationFailure } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  cleanReport,
  FakeActivities,
  report,
  type Step,
  untilCancelled,
} from '../helpers/fake-activities.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';
import type { Migration } from '../../src/migration.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

/** The rounds with which a step was called. */
function roundsOf(fakes: FakeActivities, step: Step): (number | undefined)[] {
  return fakes.of(step).map(({ args }) => (args[0] as Migration).round);
}

function lost(): never {
  throw ApplicationFailure.nonRetryable('the document is gone', 'ControlDocumentLost');
}

const differs = { refused: [{ code: 'differences', message: '1 document differs' }] };

describe('a restart', () => {
  it.each([
    ['planCopy', 'planCopy', {}],
    ['dump', 'dump-0', { parallelPartitions: 1 }],
    ['restore', 'restore-0', { parallelPartitions: 1 }],
    ['copyPartition', 'copyPartition-0', { copy: 'direct', parallelPartitions: 1 }],
    ['buildIndexes', 'buildIndexes', {}],
    ['renameStaging', 'renameStaging', {}],
    ['catchUp', 'catchUp', {}],
    ['verify', 'verify', {}],
    ['reverify', 'reverify', {}],
  ] as const)('during %s copies anew, once all of the copy has ended', async (step, id, fields) => {
    const fakes = new FakeActivities().once(step, untilCancelled);
    const final = await environment.run(fakes, fields, async (running) => {
      await fakes.happened(`start ${id}`);
      await fakes.happened('start capture');
      expect(await running.update('restart')).toMatchObject({ restarting: true, count: 1 });
      await fakes.happened('end discardCopy');
      return running.complete();
    });
    expect(final).toMatchObject({ phase: 'completed', cutover: report, restarts: { count: 1 } });
    expect(fakes.underWayAt('start discardCopy')).toEqual(['capture']);
    expect(fakes.log).toContain(`cancelled ${id}`);
    expect(roundsOf(fakes, 'planCopy')).toEqual([undefined, 1]);
    for (const once of ['captureToken', 'capture', 'discardCopy'] as const) {
      expect(fakes.of(once)).toHaveLength(1);
    }
    const steps = ['discardCopy', 'renameStaging', 'replay', 'verify', 'cutover'] as const;
    for (const each of steps) expect(roundsOf(fakes, each).at(-1), each).toBe(1);
  });

  it('forgets what was known of the copy, and says how often and when it was', async () => {
    const fakes = new FakeActivities().once('cutover', async () => differs);
    fakes.once('verify', async () => ({ ...cleanReport, differing: 1 }));
    const gate = fakes.gate();
    fakes.set('discardCopy', ({ round = 0 }) => gate.hold(round));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.refused('cutover');
      const before = await running.status();
      expect(before).toMatchObject({ restarts: null, verification: { state: 'done' } });
      await running.signal('restart', { reason: 'somebody wrote there' });
      await fakes.happened('start discardCopy');
      expect(await running.status()).toMatchObject({
        phase: 'copying',
        lastRefusal: null,
        verification: { state: 'planned', report: null },
        restarts: { count: 1, at: expect.any(String), reason: 'somebody wrote there' },
        rejectedMessages: [],
      });
      const { message } = await running.refused('cutover', { force: ['verification', 'lag'] });
      expect(message).toContain('the copy is not finished');
      gate.open();
      await running.complete();
    });
    expect(fakes.of('cutover')).toHaveLength(2);
  });

  it('while it waits for restore waits again, and goes on at once where that was sent', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, { restore: 'signal' }, async (running) => {
      await running.reaches('waiting');
      await running.update('restart');
      await fakes.happened('end dump-2', 2);
      await running.reaches('waiting');
      expect(fakes.of('restore')).toEqual([]);
      await running.update('restore');
      await running.reaches('ready');
      await running.update('restart');
      await fakes.happened('end discardCopy', 2);
      await running.complete();
    });
    expect(roundsOf(fakes, 'planCopy')).toEqual([undefined, 1, 2]);
  });

  it('while it is paused discards the copy, and the next one waits for the resume', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('pause');
      await fakes.happened('cancelled replay');
      await running.update('restart');
      await fakes.happened('end discardCopy');
      expect(await running.reaches('copying')).toMatchObject({ paused: true });
      expect(fakes.of('planCopy')).toHaveLength(1);
      await running.update('resume');
      await fakes.happened('start planCopy', 2);
      await running.complete();
    });
  });

  it('and a pause while the copy is discarded do not hinder each other', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.once('discardCopy', ({ round = 0 }) => gate.hold(round));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('restart');
      await fakes.happened('start discardCopy');
      await running.update('pause');
      gate.open();
      await fakes.happened('end discardCopy');
      await running.until(({ waitingFor }) => waitingFor?.startsWith('resume') === true);
      expect(fakes.of('planCopy')).toHaveLength(1);
      await running.update('resume');
      await running.complete();
    });
  });

  it('twice at once is one, and later another', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.once('discardCopy', ({ round = 0 }) => gate.hold(round));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const first = await running.update('restart');
      expect(await running.update('restart')).toEqual(first);
      await fakes.happened('start discardCopy');
      await running.signal('restart');
      gate.open();
      await fakes.happened('start planCopy', 2);
      await running.reaches('ready');
      expect(await running.update('restart')).toMatchObject({ count: 2 });
      await fakes.happened('end discardCopy', 2);
      await running.complete();
    });
    expect(roundsOf(fakes, 'planCopy')).toEqual([undefined, 1, 2]);
  });

  it('comes before whatever the copy ends with by itself', async () => {
    const fakes = new FakeActivities();
    // One fails for good, one ends well, and neither by the cancellation alone.
    fakes.once('verify', async () => untilCancelled().catch(lost));
    fakes.once('replay', async () => untilCancelled().catch(() => undefined as never));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start verify');
      await fakes.happened('start replay');
      await running.update('restart');
      await fakes.happened('failed verify');
      await fakes.happened('end discardCopy');
      await running.complete();
    });
    expect(fakes.underWayAt('start discardCopy')).toEqual(['capture']);
  });

  it('lets a cutover come by itself afterwards, and as many partitions at once as before', async () => {
    const fakes = new FakeActivities().once('cutover', async () => differs);
    fakes.once('restore', untilCancelled).once('reverify', untilCancelled);
    const options = { cutover: 'auto', parallelPartitions: 1 };
    const final = await environment.run(fakes, options, async (running) => {
      await fakes.happened('start restore-0');
      await running.update('restart');
      await running.until(({ lastRefusal }) => lastRefusal !== null);
      await running.update('restart');
      return running.result();
    });
    expect(final).toMatchObject({ phase: 'completed', restarts: { count: 2 } });
  });

  it('is ended by an abort, cleaned up', async () => {
    const fakes = new FakeActivities().set('discardCopy', untilCancelled);
    const final = await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('restart');
      await fakes.happened('start discardCopy');
      await running.update('abort', { dropTarget: true });
      return running.result();
    });
    expect(final.phase).toBe('aborted');
    expect(fakes.underWayAt('start cleanUp')).toEqual([]);
    expect(fakes.log).toContain('cancelled discardCopy');
    expect(fakes.of('planCopy')).toHaveLength(1);
  });

  it('is tried again where the copy cannot be discarded, and fails with what nothing can mend', async () => {
    const fakes = new FakeActivities().once('discardCopy', async () => {
      throw new Error('no primary');
    });
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('restart');
      await fakes.happened('start planCopy', 2);
      fakes.set('discardCopy', async () => lost());
      await running.update('restart');
      expect((await running.failure()).type).toBe('ControlDocumentLost');
      expect((await running.status()).phase).toBe('failed');
    });
    expect(fakes.underWayAt('start cleanUp')).toEqual([]);
    expect(fakes.of('discardCopy').map(({ attempt }) => attempt)).toEqual([1, 2, 1]);
  });
});

describe('a restart is refused', () => {
  const early = { type: 'InvalidInput', message: expect.stringContaining('too early') };

  it('before the copy has begun', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('captureToken', () => gate.hold({ resumeToken: '82', buffer: 'b' }));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start captureToken');
      expect(await running.refused('restart')).toMatchObject(early);
      await running.signal('restart');
      await running.until(({ rejectedMessages }) => rejectedMessages.length > 0);
      gate.open();
      await running.complete();
    });
    expect(fakes.of('discardCopy')).toEqual([]);
  });

  it('during a cutover, and accepted when that was refused', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.once('cutover', () => gate.hold(differs));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      const asked = running.refused('cutover');
      await fakes.happened('start cutover');
      const { message } = await running.refused('restart');
      expect(message).toContain('a cutover is under way');
      gate.open();
      await asked;
      await running.update('restart');
      await fakes.happened('start discardCopy');
      await running.complete();
    });
  });

  it('after the cutover, and while it is aborted', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('convertIndexes', () => gate.hold(undefined));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('cutover');
      expect((await running.refused('restart')).message).toContain('the cutover is done');
      gate.open();
      await running.result();
    });
    const aborted = new FakeActivities();
    const cleaned = aborted.gate();
    aborted.set('cleanUp', () => cleaned.hold({ removed: [], left: [] }));
    await environment.run(aborted, {}, async (running) => {
      await running.reaches('ready');
      await running.update('abort');
      expect((await running.refused('restart')).message).toContain('is ending');
      cleaned.open();
      await running.result();
    });
    expect([...fakes.of('discardCopy'), ...aborted.of('discardCopy')]).toEqual([]);
  });

  it('while a migration that has failed cleans up', async () => {
    const fakes = new FakeActivities().set('renameStaging', async () => lost());
    const cleaned = fakes.gate();
    fakes.set('cleanUp', () => cleaned.hold({ removed: [], left: [] }));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start cleanUp');
      expect((await running.refused('restart')).message).toContain('is ending');
      cleaned.open();
      expect((await running.failure()).type).toBe('ControlDocumentLost');
    });
  });
});

describe('a workflow that was reset to before a restart', () => {
  it('goes on with the copy that the target has', async () => {
    const fakes = new FakeActivities().set('captureToken', async () => ({
      resumeToken: '82',
      buffer: 'b',
      round: 2,
    }));
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      expect(await running.update('restart')).toMatchObject({ count: 3 });
      await fakes.happened('start planCopy', 2);
      await running.complete();
    });
    expect(roundsOf(fakes, 'discardCopy')).toEqual([2, 3]);
    expect(roundsOf(fakes, 'planCopy')).toEqual([2, 3]);
  });

  it('is told of a later copy by the restart', async () => {
    const fakes = new FakeActivities().set('discardCopy', async () => 4);
    await environment.run(fakes, {}, async (running) => {
      await running.reaches('ready');
      await running.update('restart');
      await fakes.happened('start planCopy', 2);
      await running.complete();
    });
    expect(roundsOf(fakes, 'planCopy')).toEqual([undefined, 4]);
  });
});
