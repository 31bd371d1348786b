/** Longest single wait in ms, so that the one who waits can say that it is alive. */
const SLICE_MS = 1_000;

/** How a pace waits and reads the time, in ms. */
export interface PaceClock {
  readonly wait: (ms: number) => Promise<void>;
  readonly now?: () => number;
}

/**
 * Limits things per second: what was spent beyond the limit is waited for afterwards. What was not
 * used is kept for a second at most, so that a pause is not followed by a rush.
 */
export class Pace {
  readonly #perSecond: number | undefined;
  readonly #wait: PaceClock['wait'];
  readonly #now: () => number;
  #credit = 0;
  #at: number;

  /** Without `perSecond` nothing is ever waited for. */
  constructor(perSecond: number | undefined, { wait, now = Date.now }: PaceClock) {
    this.#perSecond = perSecond;
    this.#wait = wait;
    this.#now = now;
    this.#at = now();
  }

  /** Counts what was done, and returns when the limit allows more. */
  async spend(count: number): Promise<void> {
    const perSecond = this.#perSecond;
    if (perSecond === undefined) return;
    this.#refill(perSecond);
    this.#credit -= count;
    while (this.#credit < 0) {
      await this.#wait(Math.min(SLICE_MS, Math.ceil((-this.#credit / perSecond) * 1000)));
      this.#refill(perSecond);
    }
  }

  #refill(perSecond: number): void {
    const now = this.#now();
    const earned = (Math.max(0, now - this.#at) / 1000) * perSecond;
    this.#credit = Math.min(perSecond, this.#credit + earned);
    this.#at = now;
  }
}

/** How fast a collection may be read; what is missing is not limited. */
export interface ReadLimits {
  readonly documentsPerSecond?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

/** Limits documents and bytes that are read from one side. */
export class ReadPace {
  readonly #documents: Pace;
  readonly #bytes: Pace;

  constructor({ documentsPerSecond, bytesPerSecond }: ReadLimits, clock: PaceClock) {
    this.#documents = new Pace(documentsPerSecond, clock);
    this.#bytes = new Pace(bytesPerSecond, clock);
  }

  /** Counts what was read, and returns when the limits allow more. */
  async spend({ documents, bytes }: { documents: number; bytes: number }): Promise<void> {
    await this.#documents.spend(documents);
    await this.#bytes.spend(bytes);
  }
}
