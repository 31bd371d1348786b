import { EventEmitter } from 'node:events';

/**
 * Wakes the replay of a migration when capture has something new, so that a change arrives without
 * waiting for the next look. It reaches within one process only; the time limit of `wait` covers
 * captures that run on another worker.
 */
export class Wakeups {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  /** Ends every `wait` for this migration. */
  wake(runId: string): void {
    this.#emitter.emit(runId);
  }

  /**
   * Waits until `wake`, at most `limitMs`.
   * @throws the signal's reason when it is aborted.
   */
  async wait(runId: string, limitMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // By hand, because each AbortSignal.any would leave something behind on a signal that lives for days.
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#emitter.off(runId, end);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, limitMs);
      this.#emitter.once(runId, end);
      signal.addEventListener('abort', end, { once: true });
    });
    signal.throwIfAborted();
  }
}
