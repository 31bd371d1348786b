import { EventEmitter } from 'node:events';
import { Context } from '@temporalio/activity';

/** Sends heartbeats while work goes on. */
export interface Pulse {
  /** Says that the work has moved. */
  readonly touch: () => void;
  readonly signal: AbortSignal;
}

/**
 * Between two heartbeats, in ms: at first, after so long, and for so long when a cancellation is about to come,
 * which arrives as the answer to one. Of what waits for days they are a good part of the cost.
 */
const BEAT = { atFirst: 1_000, later: 2_000, laterAfter: 60_000, hurried: 100, hurriedFor: 5_000 };
/** Without a `touch` for so long, heartbeats end, and Temporal starts another attempt. */
const STUCK_MS = 180_000;

const hurries = new EventEmitter().setMaxListeners(0);

/** Lets the activities of a run on this worker hear soon of their cancellation, which is about to come. */
export function hurry(runId: string): void {
  hurries.emit(runId);
}

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
  let hurriedUntil = 0;
  let timer: NodeJS.Timeout | undefined;
  const beat = () => {
    const now = Date.now();
    if (now - moved < STUCK_MS) context.heartbeat(details());
    const usual = now - begun < BEAT.laterAfter ? BEAT.atFirst : BEAT.later;
    timer = setTimeout(beat, now < hurriedUntil ? BEAT.hurried : usual);
  };
  const beatSoon = () => {
    hurriedUntil = Date.now() + BEAT.hurriedFor;
    clearTimeout(timer);
    beat();
  };
  beat();
  if (runId !== undefined) hurries.on(runId, beatSoon);
  try {
    return await work({
      touch: () => {
        moved = Date.now();
      },
      signal: context.cancellationSignal,
    });
  } finally {
    if (runId !== undefined) hurries.off(runId, beatSoon);
    clearTimeout(timer);
    // The last position goes with a failure or a shutdown, so that the next attempt shows it.
    context.heartbeat(details());
  }
}
