import { EventEmitter } from 'node:events';

/**
 * Wakes the replay of a migration when capture has something new, so that a change arrives without
 * waiting for the next look. It reaches within one process only; the time limit of a wait covers
 * captures that run on another worker.
 */
export class Wakeups {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  /** Ends every wait for this migration, also those that are begun later by who listens now. */
  wake(runId: string): void {
    this.#emitter.emit(runId);
  }

  /** Listens for a migration from now on. */
  listen(runId: string): Listener {
    return new Listener(this.#emitter, runId);
  }
}

/** Hears when a migration is woken. A wake while nobody waits ends the next wait: none is missed. */
export class Listener implements Disposable {
  readonly #emitter: EventEmitter;
  readonly #runId: string;
  #isWoken = false;
  #end: (() => void) | undefined;

  constructor(emitter: EventEmitter, runId: string) {
    this.#emitter = emitter;
    this.#runId = runId;
    emitter.on(runId, this.#hear);
  }

  /**
   * Waits until the migration is woken, or has been since the last wait, at most `limitMs`.
   * @returns whether it was woken.
   * @throws the signal's reason when it is aborted.
   */
  async wait(limitMs: number, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    // By hand, because each AbortSignal.any would leave something behind on a signal that lives for days.
    if (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          this.#end = undefined;
          signal.removeEventListener('abort', end);
          resolve();
        };
        const timer = setTimeout(end, limitMs);
        this.#end = end;
        signal.addEventListener('abort', end, { once: true });
      });
    }
    signal.throwIfAborted();
    const isWoken = this.#isWoken;
    this.#isWoken = false;
    return isWoken;
  }

  [Symbol.dispose](): void {
    this.#emitter.off(this.#runId, this.#hear);
  }

  readonly #hear = (): void => {
    this.#isWoken = true;
    this.#end?.();
  };
}
