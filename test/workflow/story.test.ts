import { ApplicationFailure, Context } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  cleanReport,
  FakeActivities,
  type Gate,
  report,
  traits,
} from '../helpers/fake-activities.js';
import { countEvents, historyOf } from '../helpers/history.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

/** Position of a line in what happened. */
function at(fakes: FakeActivities, line: string): number {
  const index = fakes.log.indexOf(line);
  if (index < 0) throw new Error(`${line} has not happened: ${fakes.log.join(', ')}`);
  return index;
}

/** Checks that each line comes after the one before it. */
function expectInOrder(fakes: FakeActivities, lines: readonly string[]): void {
  const positions = lines.map((line) => at(fakes, line));
  expect(positions, fakes.log.join(', ')).toEqual(positions.toSorted((a, b) => a - b));
}

describe('a migration without incident', () => {
  it('copies by dump and restore, replays, compares and cuts over', async () => {
    const fakes = new FakeActivities();
    const final = await environment.run(fakes, {}, (running) => running.complete());
    expect(final).toMatchObject({
      phase: 'completed',
      cutover: report,
      openedAt: report.openedAt,
      lateWrites: { count: 0 },
      left: ['shop.orders'],
      verification: { state: 'done', report: cleanReport },
      targetNamespace: 'shop.orders',
      problem: null,
      rejectedMessages: [],
    });
    expect(final).not.toHaveProperty('$live');
    expectInOrder(fakes, [
      'end preflight',
      'start captureToken',
      'end captureToken',
      'start planCopy',
      'end planCopy',
      'start dump-0',
      'end dump-0',
      'start restore-0',
      'end restore-0',
      'start buildIndexes',
      'end buildIndexes',
      'start renameStaging',
      'end renameStaging',
      'start replay',
      'start cutover',
      'end cutover',
      'start convertIndexes',
      'end convertIndexes',
      'start countLateWrites',
      'end countLateWrites',
      'start cleanUp',
    ]);
    for (const name of ['replay', 'capture']) {
      expectInOrder(fakes, ['end cutover', `cancelled ${name}`, 'start cleanUp']);
    }
    expectInOrder(fakes, ['end captureToken', 'start capture', 'start dump-0']);
    expectInOrder(fakes, ['start catchUp', 'end catchUp', 'start verify', 'end verify']);
    expectInOrder(fakes, ['end dump-1', 'start restore-1']);
    expectInOrder(fakes, ['end dump-2', 'start restore-2', 'end restore-2', 'start buildIndexes']);
    expect(fakes.of('copyPartition')).toEqual([]);
    expect(new Set(fakes.calls.map(({ id }) => id)).size).toBe(fakes.calls.length);
  });

  it('gives every activity who it works for, the options and what preflight found', async () => {
    const fakes = new FakeActivities();
    const { workflowId, runId } = await environment.run(
      fakes,
      { targetNamespace: 'archive.orders', keepBuffer: true },
      async (running) => {
        await running.complete();
        return (await running.handle.describe()) satisfies { workflowId: string; runId: string };
      },
    );
    const options = expect.objectContaining({
      namespace: 'shop.orders',
      targetNamespace: 'archive.orders',
      copy: 'dump',
      parallelPartitions: 2,
    });
    const [look, ...others] = fakes.calls;
    expect(look?.args).toEqual([{ workflowId, runId, options }]);
    for (const { id, args } of others) {
      const more = id === 'cutover' && { followsShape: true };
      expect(args[0], id).toEqual({ workflowId, runId, options, traits, ...more });
    }
    expect(partitionsOf(fakes)).toEqual([0, 1, 2]);
    expect(fakes.of('restore')[0]?.args[1]).toMatchObject({ documents: 10, bytes: 1000 });
    expect(fakes.of('cutover')[0]?.args[1]).toEqual([]);
    expect(fakes.of('cleanUp')[0]?.args[1]).toEqual({ keepBuffer: true, dropTarget: false });
  });

  it('tells what the target is without, as it is found when the copy is planned', async () => {
    const fakes = new FakeActivities();
    fakes.set('planCopy', async () => ({ partitions: 2, warnings: ['no pre-images'] }));
    const { warnings } = await environment.run(fakes, {}, (running) => running.complete());
    expect(warnings).toEqual([...traits.warnings, 'no pre-images']);
    expect(partitionsOf(fakes)).toEqual([0, 1]);
  });

  it('copies directly, without dump and restore', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, { copy: 'direct' }, (running) => running.complete());
    expectInOrder(fakes, [
      'start capture',
      'start copyPartition-0',
      'end copyPartition-0',
      'start buildIndexes',
    ]);
    expectInOrder(fakes, ['end copyPartition-2', 'start buildIndexes']);
    expect(fakes.of('copyPartition')).toHaveLength(3);
    expect([...fakes.of('dump'), ...fakes.of('restore')]).toEqual([]);
  });

  it('does not compare with verify "none"', async () => {
    const fakes = new FakeActivities();
    const final = await environment.run(fakes, { verify: 'none' }, (running) => running.complete());
    expect(final.verification).toMatchObject({ state: 'none', report: null });
    expect(fakes.of('verify')).toEqual([]);
    expect(fakes.of('catchUp')).toHaveLength(1);
  });

  it('copies as many partitions at a time as it is told, and each once', async () => {
    for (const parallelPartitions of [1, 3]) {
      const fakes = new FakeActivities().set('planCopy', async () => 7);
      let now = 0;
      let most = 0;
      const gate = fakes.gate();
      fakes.set('copyPartition', async () => {
        now += 1;
        most = Math.max(most, now);
        if (now === parallelPartitions) gate.open();
        await gate.hold(undefined);
        now -= 1;
        return { documents: 1, bytes: 1 };
      });
      const fields = { copy: 'direct', parallelPartitions };
      await environment.run(fakes, fields, (running) => running.complete());
      expect(most).toBe(parallelPartitions);
      const indexes = fakes.of('copyPartition').map(({ args }) => Number(args[1]));
      expect(indexes.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    }
  });

  it('restores a partition as soon as it is dumped', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('dump', async (_migration, partition) =>
      gateFor(partition === 1 ? gate : undefined, partition),
    );
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('end restore-2');
      expect(fakes.log).not.toContain('end dump-1');
      gate.open();
      await running.complete();
    });
  });
});

describe('a dump that is lost', () => {
  it('is dumped and restored again, and nothing else is', async () => {
    const fakes = new FakeActivities();
    let restores = 0;
    fakes.set('restore', async () => {
      restores += 1;
      if (restores > 1) return { documents: 10 };
      throw ApplicationFailure.create({ type: 'DumpLost', message: 'gone', nonRetryable: true });
    });
    await environment.run(fakes, { parallelPartitions: 1 }, (running) => running.complete());
    expect(fakes.of('dump').map(({ args }) => args[1])).toEqual([0, 0, 1, 2]);
    expect(restores).toBe(4);
  });

  it('again and again is told, and rests before it is dumped once more', async () => {
    const fakes = new FakeActivities();
    const lost: unknown[] = [];
    fakes.set('restore', async (_migration, { partition }) => {
      if (partition !== 1 || lost.length === 2) return { documents: 10 };
      lost.push(partition);
      throw ApplicationFailure.create({ type: 'DumpLost', message: 'cut', nonRetryable: true });
    });
    const events = await environment.run(fakes, {}, async (running) => {
      const { problem } = await running.until((status) => status.problem !== null);
      expect(problem?.what).toBe('the dump of partition 1 was lost 2 times: cut');
      expect(problem?.todo).toContain('CSM_DUMP_FOLDER');
      expect((await running.reaches('ready')).problem).toBeNull();
      await running.complete();
      return historyOf(running.handle);
    });
    expect(countEvents(events, 'timerStartedEventAttributes')).toBe(1);
  });
});

/** Which partitions were dumped; in which order they start is the server's to say. */
function partitionsOf(fakes: FakeActivities): number[] {
  return fakes
    .of('dump')
    .map(({ args }) => Number(args[1]))
    .toSorted((one, other) => one - other);
}

async function gateFor(gate: Gate | undefined, partition: number) {
  const dumped = { partition, documents: 1, bytes: 1, hostQueue: '' };
  await gate?.hold(undefined);
  return { ...dumped, hostQueue: Context.current().info.taskQueue };
}

describe('restore "signal"', () => {
  it('waits after all dumps, with capture going on, until it is told', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, { restore: 'signal' }, async (running) => {
      const waiting = await running.reaches('waiting');
      expect(waiting.waitingFor).toBe('restore (update or signal)');
      expect(waiting.blockers.map(({ code }) => code)).toContain('waiting');
      expect(fakes.log).toEqual(expect.arrayContaining(['end dump-0', 'end dump-1', 'end dump-2']));
      expect(fakes.log).toContain('start capture');
      expect(fakes.of('restore')).toEqual([]);
      await running.signal('restore');
      await running.complete();
    });
    expect(fakes.of('restore')).toHaveLength(3);
    expect(fakes.log).not.toContain('failed capture');
  });

  it('waits before a direct copy', async () => {
    const fakes = new FakeActivities();
    await environment.run(fakes, { restore: 'signal', copy: 'direct' }, async (running) => {
      await running.reaches('waiting');
      expect(fakes.of('copyPartition')).toEqual([]);
      expect(await running.update('restore', {})).toEqual({ restore: 'requested' });
      await running.complete();
    });
  });

  it('does not wait when it was told before', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('planCopy', () => gate.hold(1));
    const final = await environment.run(fakes, { restore: 'signal' }, async (running) => {
      await fakes.happened('start planCopy');
      await running.signal('restore');
      await running.until(({ phase }) => phase === 'copying');
      gate.open();
      return running.complete();
    });
    expect(final.phase).toBe('completed');
  });
});
