import { EventEmitter } from 'node:events';
import type { ControlDocument } from './mongo/control-document.js';

/** What somebody is woken with: the control document as it is by then, where whoever wakes has it. */
export interface Wake {
  readonly document?: ControlDocument;
}

/**
 * Wakes the replay of a migration when capture has something new, so that a change arrives without
 * waiting for the next look. It reaches within one process only; the time limit of a wait covers
 * captures that run on another worker.
 */
export class Wakeups {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  /** Ends every wait for this migration, also those that are begun later by who listens now. */
  wake(runId: string, wake: Wake = {}): void {
    this.#emitter.emit(runId, wake);
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
  #woken: Wake | undefined;
  #end: (() => void) | undefined;

  constructor(emitter: EventEmitter, runId: string) {
    this.#emitter = emitter;
    this.#runId = runId;
    emitter.on(runId, this.#hear);
  }

  /**
   * Waits until the migration is woken, or has been since the last wait, at most `limitMs`.
   * @returns what it was woken with last; nothing when it was not.
   * @throws the signal's reason when it is aborted.
   */
  async wait(limitMs: number, signal: AbortSignal): Promise<Wake | undefined> {
    signal.throwIfAborted();
    // By hand, because each AbortSignal.any would leave something behind on a signal that lives for days.
    if (!this.#woken) {
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
    const woken = this.#woken;
    this.#woken = undefined;
    return woken;
  }

  [Symbol.dispose](): void {
    this.#emitter.off(this.#runId, this.#hear);
  }

  readonly #hear = (wake: Wake): void => {
    this.#woken = wake;
    this.#end?.();
  };
}
