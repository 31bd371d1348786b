import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanReport, FakeActivities, untilCancelled } from '../helpers/fake-activities.js';
import { activitiesOf, historyOf, lasting } from '../helpers/history.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';

let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await WorkflowEnvironment.start();
});

afterAll(async () => {
  await environment?.[Symbol.asyncDispose]();
});

const untuned = {
  parallelPartitions: 2,
  gzip: false,
  copyDocumentsPerSecond: null,
  copyBytesPerSecond: null,
  captureDocumentsPerSecond: null,
  captureBytesPerSecond: null,
  replayBatch: null,
  verifyDocumentsPerSecond: null,
  verifyBytesPerSecond: null,
  maxBufferBytes: null,
};

describe('tune', () => {
  it('copies more partitions at the same time at once, and fewer as they end', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes
      .set('planCopy', async () => 5)
      .set('copyPartition', () => gate.hold({ documents: 1, bytes: 1 }));
    await environment.run(fakes, { copy: 'direct', parallelPartitions: 1 }, async (running) => {
      await fakes.happened('start copyPartition-0');
      expect((await running.status()).settings.parallelPartitions).toBe(1);
      const settings = { ...untuned, parallelPartitions: 3 };
      expect(await running.update('tune', { parallelPartitions: 3 })).toEqual(settings);
      expect((await running.status()).settings).toEqual(settings);
      await fakes.happened('start copyPartition-1');
      await fakes.happened('start copyPartition-2');
      expect(fakes.of('copyPartition')).toHaveLength(3);
      await running.signal('tune', { parallelPartitions: 1 });
      await running.until((status) => status.settings.parallelPartitions === 1);
      gate.open();
      expect((await running.complete()).phase).toBe('completed');
    });
    const at = (line: string) => fakes.log.indexOf(line);
    expect(at('start copyPartition-4')).toBeGreaterThan(at('end copyPartition-3'));
  });

  it.each(['restart', 'abort'] as const)(
    'is undone by %s, what it has added too',
    async (message) => {
      const fakes = new FakeActivities();
      fakes
        .set('planCopy', async () => 5)
        .set('copyPartition', async ({ round }) =>
          round === undefined ? untilCancelled() : { documents: 1, bytes: 1 },
        );
      await environment.run(fakes, { copy: 'direct', parallelPartitions: 1 }, async (running) => {
        await fakes.happened('start copyPartition-0');
        await running.update('tune', { parallelPartitions: 3 });
        await fakes.happened('start copyPartition-2');
        await running.update(message);
        const final = message === 'abort' ? running.result() : running.complete();
        expect((await final).phase).toBe(message === 'abort' ? 'aborted' : 'completed');
      });
      const next = message === 'abort' ? 'start cleanUp' : 'start discardCopy';
      expect(fakes.underWayAt(next)).not.toContainEqual(expect.stringMatching(/^copyPartition/));
      for (const index of [0, 1, 2])
        expect(fakes.log).toContain(`cancelled copyPartition-${index}`);
    },
  );

  it('hands limits to what runs, one after another, and null takes one away', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('copyPartition', () => gate.hold({ documents: 1, bytes: 1 }));
    const given = {
      copy: 'direct',
      copyDocumentsPerSecond: 7,
      captureBytesPerSecond: 300_000,
      replayBatch: 500,
      verifyBytesPerSecond: 100_000,
      maxBufferBytes: 300_000_000,
    };
    await environment.run(fakes, given, async (running) => {
      await fakes.happened('start copyPartition-0');
      await running.update('tune', { copyDocumentsPerSecond: null, copyBytesPerSecond: 200_000 });
      await fakes.happened('end tune');
      await running.signal('tune', { verifyDocumentsPerSecond: 5 });
      await fakes.happened('end tune', 2);
      const limits = {
        copyDocumentsPerSecond: null,
        copyBytesPerSecond: 200_000,
        captureDocumentsPerSecond: null,
        captureBytesPerSecond: 300_000,
        replayBatch: 500,
        verifyDocumentsPerSecond: null,
        verifyBytesPerSecond: 100_000,
        maxBufferBytes: 300_000_000,
      };
      expect(fakes.of('tune').map(({ args }) => args[1])).toEqual([
        limits,
        { ...limits, verifyDocumentsPerSecond: 5 },
      ]);
      expect(fakes.log.filter((line) => line.startsWith('cancelled'))).toEqual([]);
      gate.open();
      await running.complete();
    });
  });

  it('before the copy is planned counts for it, and is handed over once there is somebody to', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('captureToken', () => gate.hold({ resumeToken: '8265', buffer: 'shop.cdc.orders' }));
    await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start captureToken');
      await running.update('tune', { parallelPartitions: 4, verifyDocumentsPerSecond: 9 });
      expect(fakes.of('tune')).toEqual([]);
      gate.open();
      await fakes.happened('end tune');
      await running.complete();
    });
    expect(fakes.of('planCopy')[0]?.args[0]).toMatchObject({ options: { parallelPartitions: 4 } });
  });

  it('compresses what is dumped from then on, and each restore knows how its dump was made', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('restore', () => gate.hold({ documents: 10 }));
    await environment.run(fakes, { parallelPartitions: 1 }, async (running) => {
      await fakes.happened('start restore-0');
      await running.update('tune', { gzip: true });
      gate.open();
      await running.complete();
    });
    const gzipOf = (name: 'dump' | 'restore') =>
      fakes.of(name).map(({ args }) => (args[0] as { options: { gzip: boolean } }).options.gzip);
    expect(gzipOf('dump')).toEqual([false, true, true]);
    expect(gzipOf('restore')).toEqual([false, true, true]);
  });

  it.each([
    [{}, {}, 'give at least one of: parallelPartitions'],
    [{}, { parallelPartitions: 0 }, '"parallelPartitions"'],
    [{}, { parallelPartitions: 65 }, '"parallelPartitions"'],
    [{}, { gzip: null }, '"gzip"'],
    [{}, { verifyBytesPerSecond: 1 }, '"verifyBytesPerSecond"'],
    [{}, { maxBufferBytes: 1 }, '"maxBufferBytes"'],
    [{}, { paralelPartitions: 4 }, '(did you mean "parallelPartitions"?)'],
    [{}, { copyDocumentsPerSecond: 5 }, '"copyDocumentsPerSecond": mongodump reads as fast'],
    [{ copy: 'direct' }, { gzip: true }, '"gzip": there are no dump files'],
    [{ verify: 'none' }, { verifyDocumentsPerSecond: 5 }, 'nothing is compared'],
  ])('of a migration with %j refuses %j', async (given, payload, text) => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('planCopy', () => gate.hold(1));
    await environment.run(fakes, given, async (running) => {
      await fakes.happened('start planCopy');
      const before = lasting(await historyOf(running.handle));
      const failure = await running.refused('tune', payload);
      expect(failure).toMatchObject({ type: 'InvalidInput' });
      expect(failure.message).toContain('Invalid payload of tune');
      expect(failure.message).toContain(text);
      expect(lasting(await historyOf(running.handle))).toEqual(before);
      await running.signal('tune', payload);
      const status = await running.until(({ rejectedMessages }) => rejectedMessages.length > 0);
      expect(status.rejectedMessages[0]?.message).toContain(text);
      expect(status.settings).toEqual(untuned);
    });
    expect(fakes.of('tune')).toEqual([]);
  });

  it('of the copy is refused when the copy is finished, and those of comparison and buffer are not', async () => {
    const fakes = new FakeActivities();
    const gate = fakes.gate();
    fakes.set('verify', () => gate.hold(cleanReport));
    const events = await environment.run(fakes, {}, async (running) => {
      await fakes.happened('start verify');
      const { message } = await running.refused('tune', { parallelPartitions: 3 });
      expect(message).toContain('"parallelPartitions": the copy is finished');
      await running.update('tune', { verifyDocumentsPerSecond: 100, maxBufferBytes: 2_000_000 });
      await fakes.happened('end tune');
      gate.open();
      await running.complete();
      return historyOf(running.handle);
    });
    expect(activitiesOf(events).map(({ id }) => id)).toContain('tune');
    expect(fakes.of('verify')).toHaveLength(1);
  });
});
