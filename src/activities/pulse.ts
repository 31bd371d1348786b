import { EventEmitter } from 'node:events';
import { Context } from '@temporalio/activity';
import type { InjectedSinks } from '@temporalio/worker';
import type { Sinks } from '@temporalio/workflow';
import { Crowd } from '../crowd.js';
import { untilTick } from '../tick.js';

/** Sends heartbeats while work goes on. */
export interface Pulse {
  /** Says that the work has moved. */
  readonly touch: () => void;
  readonly signal: AbortSignal;
}

/**
 * Between two heartbeats, in ms: before the first, which short work does without, then at first, for each activity of
 * this worker, and after so long. They are a good part of the cost of what waits for days, and of many migrations that
 * begin together.
 */
const BEAT = { soonest: 500, atFirst: 500, each: 20, most: 3_500, laterAfter: 60_000 } as const;
/** Between those when a cancellation is about to come, which arrives as the answer to one. */
const HURRIED_MS = [50, 100, 100, 200, 400, 800, 1_600] as const;
/** Without a `touch` for so long, heartbeats end, and Temporal starts another attempt. */
const STUCK_MS = 180_000;

const hurries = new EventEmitter().setMaxListeners(0);
const hearts = new Crowd();

/** What a workflow tells the worker that runs it, besides its commands. */
export interface PulseSinks extends Sinks {
  readonly pulse: {
    /** Lets the activities of the run that are on this worker hear soon of their cancellation, which is about to come. */
    hurry(): void;
  };
}

/** Takes what workflows tell. */
export const pulseSinks: InjectedSinks<PulseSinks> = {
  pulse: { hurry: { fn: ({ runId }) => void hurries.emit(runId), callDuringReplay: false } },
};

/**
 * Runs work with heartbeats, which carry `details`. The heart stops when the work has not moved for three
 * minutes: a timer alone would keep a stuck activity alive for ever.
 */
export async function withPulse<T>(
  details: () => unknown,
  work: (pulse: Pulse) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const { runId } = context.info.workflowExecution ?? {};
  const begun = Date.now();
  let moved = begun;
  let hurried: number = HURRIED_MS.length;
  let timer: NodeJS.Timeout | undefined;
  const beat = () => {
    const now = Date.now();
    if (now - moved < STUCK_MS) context.heartbeat(details());
    const usual = now - begun < BEAT.laterAfter ? hearts.stretch(BEAT.atFirst, BEAT) : BEAT.most;
    const rested = untilTick(usual);
    timer = setTimeout(beat, HURRIED_MS[hurried++] ?? rested);
  };
  const beatSoon = () => {
    hurried = 1;
    clearTimeout(timer);
    timer = setTimeout(beat, HURRIED_MS[0]);
  };
  using _ = hearts.join();
  timer = setTimeout(beat, BEAT.soonest);
  if (runId !== undefined) hurries.on(runId, beatSoon);
  try {
    return await work({
      touch: () => {
        moved = Date.now();
      },
      signal: context.cancellationSignal,
    });
  } catch (error) {
    // The last position goes with a failure or a shutdown, so that the next attempt shows it.
    context.heartbeat(details());
    throw error;
  } finally {
    if (runId !== undefined) hurries.off(runId, beatSoon);
    clearTimeout(timer);
  }
}
