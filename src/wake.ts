import { EventEmitter, once } from 'node:events';

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
    const timeout = AbortSignal.timeout(limitMs);
    await once(this.#emitter, runId, { signal: AbortSignal.any([signal, timeout]) }).catch(
      () => undefined,
    );
    signal.throwIfAborted();
  }
}
