import { CancelledFailure, Context } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Pulse, pulseSinks, withPulse } from '../../../src/activities/pulse.js';
import type { WorkflowInfo } from '@temporalio/workflow';
import { takenAs } from '../../helpers/taken-as.js';
import { deferred } from '../../helpers/deferred.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** As the workflow of this run does. */
function hurry(runId: string): void {
  void pulseSinks.pulse.hurry.fn(takenAs<WorkflowInfo>({ runId }));
}

/** Runs work with a pulse in a fake activity; heartbeats are collected. */
function run<T>(work: (pulse: Pulse) => Promise<T>) {
  const environment = new MockActivityEnvironment();
  const beats: unknown[] = [];
  environment.on('heartbeat', (details: unknown) => beats.push(details));
  let count = 0;
  const result = environment.run(() => withPulse(() => ({ count: ++count }), work));
  return { environment, beats, result };
}

describe('withPulse', () => {
  it('beats after half a second, at every second, later at every fourth', async () => {
    const end = deferred();
    const { beats, result } = run(() => end.promise.then(() => 'done'));
    await vi.advanceTimersByTimeAsync(499);
    expect(beats).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(beats).toEqual([{ count: 1 }]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(beats).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(57_000);
    expect(beats).toHaveLength(61);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(beats).toHaveLength(68);
    end.resolve();
    expect(await result).toBe('done');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(beats).toHaveLength(68);
  });

  it('beats more seldom where many activities have begun on a worker', async () => {
    const end = deferred();
    const runs = Array.from({ length: 100 }, () => run(() => end.promise));
    await vi.advanceTimersByTimeAsync(8_500);
    expect(runs.at(-1)?.beats).toHaveLength(1 + 3);
    end.resolve();
    await Promise.all(runs.map(({ result }) => result));
    const last = run(async () => vi.advanceTimersByTimeAsync(3_500));
    await last.result;
    expect(last.beats).toHaveLength(1 + 3);
  });

  it('stops beating when the work has not moved for three minutes, and goes on when it does', async () => {
    const end = deferred();
    let pulse: Pulse | undefined;
    const { beats, result } = run((given) => {
      pulse = given;
      return end.promise;
    });
    await vi.advanceTimersByTimeAsync(179_000);
    expect(beats).toHaveLength(61 + 29);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(beats).toHaveLength(61 + 29);
    pulse?.touch();
    await vi.advanceTimersByTimeAsync(4_000);
    expect(beats).toHaveLength(61 + 30);
    end.resolve();
    await result;
  });

  it('beats many times within a second when its run is told to hurry', async () => {
    const end = deferred();
    const { environment, beats, result } = run(() => end.promise);
    hurry('another run');
    await vi.advanceTimersByTimeAsync(1_500);
    expect(beats).toHaveLength(2);
    hurry(environment.context.info.workflowExecution?.runId ?? '');
    await vi.advanceTimersByTimeAsync(900);
    expect(beats).toHaveLength(2 + 5);
    await vi.advanceTimersByTimeAsync(4_000);
    const before = beats.length;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(beats).toHaveLength(before + 2);
    end.resolve();
    await result;
  });

  it('tells the last position with a failure, and passes the failure on', async () => {
    const { beats, result } = run(async () => {
      throw new Error('no primary');
    });
    await expect(result).rejects.toThrow('no primary');
    expect(beats).toEqual([{ count: 1 }]);
  });

  it('hands over the activity’s cancellation', async () => {
    const { environment, result } = run(async ({ signal }) => {
      expect(signal).toBe(Context.current().cancellationSignal);
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      throw signal.reason;
    });
    environment.cancel('CANCELLED');
    await expect(result).rejects.toBeInstanceOf(CancelledFailure);
  });
});
