import { EventEmitter } from 'node:events';
import { Context } from '@temporalio/activity';

/** Sends heartbeats while work goes on. */
export interface Pulse {
  /** Says that the work has moved. */
  readonly touch: () => void;
  readonly signal: AbortSignal;
}

const BEAT_MS = 1_000;
/** Without a `touch` for so long, heartbeats end, and Temporal starts another attempt. */
const STUCK_MS = 180_000;
/** When a cancellation is about to come: it arrives as the answer to a heartbeat. */
const HURRIED = { everyMs: 100, forMs: 5_000 } as const;

const hurries = new EventEmitter().setMaxListeners(0);

/** Lets the activities of a run on this worker hear soon of their cancellation, which is about to come. */
export function hurry(runId: string): void {
  hurries.emit(runId);
}

/**
 * Runs work with a heartbeat every second, which carries `details`. The heart stops when the work
 * has not moved for three minutes: a timer alone would keep a stuck activity alive for ever.
 */
export async function withPulse<T>(
  details: () => unknown,
  work: (pulse: Pulse) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const { runId } = context.info.workflowExecution ?? {};
  let moved = Date.now();
  const beat = () => {
    if (Date.now() - moved < STUCK_MS) context.heartbeat(details());
  };
  beat();
  const timers = [setInterval(beat, BEAT_MS)];
  const beatOften = () => {
    const often = setInterval(beat, HURRIED.everyMs);
    timers.push(
      often,
      setTimeout(() => clearInterval(often), HURRIED.forMs),
    );
  };
  if (runId !== undefined) hurries.once(runId, beatOften);
  try {
    return await work({
      touch: () => {
        moved = Date.now();
      },
      signal: context.cancellationSignal,
    });
  } finally {
    if (runId !== undefined) hurries.off(runId, beatOften);
    for (const timer of timers) clearInterval(timer);
    // The last position goes with a failure or a shutdown, so that the next attempt shows it.
    context.heartbeat(details());
  }
}
