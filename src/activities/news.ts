import { setTimeout as sleep } from 'node:timers/promises';
import { FOLLOW_MS } from '../mongo/verifier.js';
import type { Listener } from '../wake.js';

/** The capture writes, and says so, more often than this, in ms. */
const SILENT_MS = 5_000;

/** What the capture on this worker, if it is here, says of changes. */
export class News implements Disposable {
  readonly #captured: Listener;
  /** Changes that had been put into the buffer when it was last heard. */
  #buffered: number | undefined;

  constructor(captured: Listener) {
    this.#captured = captured;
  }

  /** Whether it says when there are some. */
  get isHeard(): boolean {
    return this.#buffered !== undefined;
  }

  /** Waits so long (ms), or until there are changes, and for a while for these to be applied. */
  async wait(mostMs: number, signal: AbortSignal): Promise<void> {
    const begun = Date.now();
    let hasHeard = false;
    for (let left = mostMs; left > 0; left = begun + mostMs - Date.now()) {
      const wake = await this.#captured.wait(left, signal);
      if (!wake) break;
      hasHeard = true;
      const before = this.#buffered;
      this.#buffered = wake.document?.capture.buffered;
      if (this.#buffered === before) continue;
      await sleep(FOLLOW_MS, undefined, { signal });
      break;
    }
    // Without a word for so long it is elsewhere.
    if (!hasHeard && mostMs >= SILENT_MS) this.#buffered = undefined;
  }

  [Symbol.dispose](): void {
    this.#captured[Symbol.dispose]();
  }
}
