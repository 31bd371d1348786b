import { CancellationScope, condition } from '@temporalio/workflow';

/** Work that goes on beside the story. */
export interface Beside {
  readonly done: Promise<unknown>;
  /** Cancels it and returns when it has ended. */
  readonly stop: () => Promise<void>;
}

/** The work of a migration that is under way: what a pause cancels, and what has to end before the clean-up. */
export class Work {
  readonly #isPaused: () => boolean;
  readonly #whole: Work | undefined;
  /** Work that a pause cancels, and whether it has. */
  readonly #pausable: Map<CancellationScope, { paused: boolean }>;
  readonly #running = new Set<Promise<unknown>>();

  /** @param whole the work of which this is a part. */
  constructor(isPaused: () => boolean, whole?: Work) {
    this.#isPaused = isPaused;
    this.#whole = whole;
    this.#pausable = whole ? whole.#pausable : new Map();
  }

  /** Runs work that a pause cancels and a resume runs again. */
  async untilNotPaused<T>(run: () => Promise<T>): Promise<T> {
    const outer = CancellationScope.current();
    for (;;) {
      await condition(() => !this.#isPaused());
      const scope = new CancellationScope();
      const mark = { paused: false };
      this.#pausable.set(scope, mark);
      try {
        return await this.track(scope.run(run));
      } catch (error) {
        // However it ended: what a pause cancelled is run again. A resume may have come by now.
        if (!mark.paused || outer.consideredCancelled) throw error;
      } finally {
        this.#pausable.delete(scope);
      }
    }
  }

  /** Cancels what a resume is to run again. */
  pause(): void {
    for (const [scope, mark] of this.#pausable) {
      mark.paused = true;
      scope.cancel();
    }
  }

  /** Starts work beside the story. */
  start(run: () => Promise<unknown>): Beside {
    const scope = new CancellationScope();
    const done = this.track(scope.run(run));
    const stop = async () => {
      scope.cancel();
      // Its part is over: with what it ends no longer matters.
      await done.catch(() => undefined);
    };
    return { done, stop };
  }

  /** Counts work among what is under way, until it has ended. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    const forget = () => this.#running.delete(work);
    work.then(forget, forget);
    void this.#whole?.track(work);
    return work;
  }

  /** Returns when all that is under way by now has ended, in whichever way. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running);
  }
}
