import type { ReplayState } from './control.js';
import { FencedError } from './control.js';
import { readRange } from './range.js';
import { Rate } from './rate.js';
import { applyRange, pruneBuffer, type ReplayTarget } from './replay.js';
import { timestampMs, tokenTime } from './token.js';

/** Events per range: 20,000 were a third faster than 10,000, more no longer helped. */
const RANGE_EVENTS = 20_000;
/** Bytes of documents per range: what the server groups in memory. */
const RANGE_BYTES = 64 * 1024 * 1024;
/** Applied events that are removed from the buffer in one go. */
const PRUNE_EVENTS = 50_000;

export interface ReplayProgress {
  readonly applied: number;
  readonly rate: number;
  readonly asOf: Date | undefined;
}

export interface ReplayLoop extends ReplayTarget {
  readonly start: ReplayState;
  /** Waits for new data; without it the loop ends when all that is captured is applied. */
  readonly idle?: () => Promise<void>;
  readonly onProgress: (progress: ReplayProgress) => void;
}

/**
 * Applies ranges up to captured-through, again and again. Applied-through moves only after the
 * range is durable by majority.
 * @returns changes applied by this call.
 * @throws FencedError when another attempt has taken over.
 */
export async function replayRanges(loop: ReplayLoop): Promise<number> {
  const { control, epoch, signal, start, idle } = loop;
  const rate = new Rate();
  const pruning = new Pruning(loop);
  let { through } = start;
  let applied = 0;
  try {
    for (;;) {
      signal.throwIfAborted();
      const { capture, replay } = await control.read();
      if (replay.epoch !== epoch) throw new FencedError('replay');
      const upTo = capture.through?._data;
      if (upTo === undefined || (through !== undefined && upTo <= through)) {
        loop.onProgress({ applied: start.events + applied, rate: rate.add(0), asOf: replay.asOf });
        if (!idle) return applied;
        pruning.start(through, 0);
        await idle();
        continue;
      }
      const limits = { events: RANGE_EVENTS, bytes: RANGE_BYTES };
      const range = await readRange(loop.db, loop.collection, through, upTo, limits, signal);
      if (range.changes.length > 0) await applyRange(loop, range);
      const time = tokenTime(range.end);
      const asOf = range.last ? capture.asOf : new Date(timestampMs(time));
      const perSecond = rate.add(range.changes.length);
      await control.advance(
        'replay',
        epoch,
        { through: range.end, time, rate: perSecond, ...(asOf && { asOf }) },
        { events: range.changes.length },
      );
      through = range.end;
      applied += range.changes.length;
      pruning.start(through, range.changes.length);
      loop.onProgress({ applied: start.events + applied, rate: perSecond, asOf });
    }
  } finally {
    await pruning.end();
  }
}

/** Removes applied changes beside the replay, one command at a time. */
class Pruning {
  readonly #loop: ReplayLoop;
  #waiting = 0;
  #running: Promise<void> | undefined;

  constructor(loop: ReplayLoop) {
    this.#loop = loop;
  }

  start(through: string | undefined, applied: number): void {
    this.#waiting += applied;
    const due = applied === 0 ? this.#waiting > 0 : this.#waiting >= PRUNE_EVENTS;
    if (through === undefined || this.#running || !due) return;
    this.#waiting = 0;
    // What is not removed now goes with the buffer at the end.
    this.#running = pruneBuffer(this.#loop.db, this.#loop.collection, through)
      .catch(() => undefined)
      .finally(() => (this.#running = undefined));
  }

  async end(): Promise<void> {
    await this.#running;
  }
}
