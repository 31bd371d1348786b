/** Longest single wait in ms, so that the one who waits can say that it is alive. */
const SLICE_MS = 1_000;
/** What a limited reader reads at once is worth so many seconds, and at least so many documents. */
const EVEN_SECONDS = 0.25;
const FEWEST = 10;
/** Bytes of a document, as long as none is known. */
const USUAL_BYTES = 16 * 1024;

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
  readonly #limit: () => number | undefined;
  readonly #wait: PaceClock['wait'];
  readonly #now: () => number;
  #credit = 0;
  #at: number;

  /**
   * @param limit things per second, asked for again while it waits; without one nothing is waited
   * for, and what was spent before is forgotten.
   */
  constructor(limit: () => number | undefined, { wait, now = Date.now }: PaceClock) {
    this.#limit = limit;
    this.#wait = wait;
    this.#now = now;
    this.#at = now();
  }

  /** Counts what was done, and returns when the limit allows more. */
  async spend(count: number): Promise<void> {
    let perSecond = this.#refill();
    if (perSecond === undefined) return;
    this.#credit -= count;
    while (this.#credit < 0) {
      await this.#wait(Math.min(SLICE_MS, Math.ceil((-this.#credit / perSecond) * 1000)));
      perSecond = this.#refill();
      if (perSecond === undefined) return;
    }
  }

  #refill(): number | undefined {
    const perSecond = this.#limit();
    const now = this.#now();
    const passed = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    this.#credit =
      perSecond === undefined ? 0 : Math.min(perSecond, this.#credit + passed * perSecond);
    return perSecond;
  }
}

/** How fast a collection may be read; what is missing is not limited. */
export interface ReadLimits {
  readonly documentsPerSecond?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

/** Limits documents and bytes that are read from one side. */
export class ReadPace {
  readonly #limits: ReadLimits;
  readonly #documents: Pace;
  readonly #bytes: Pace;
  readonly #spent = { documents: 0, bytes: 0 };

  /** @param limits looked at again and again: they may change while it goes on. */
  constructor(limits: ReadLimits, clock: PaceClock) {
    this.#limits = limits;
    this.#documents = new Pace(() => limits.documentsPerSecond, clock);
    this.#bytes = new Pace(() => limits.bytesPerSecond, clock);
  }

  /** Counts what was read, and returns when the limits allow more. */
  async spend({ documents, bytes }: { documents: number; bytes: number }): Promise<void> {
    this.#spent.documents += documents;
    this.#spent.bytes += bytes;
    await this.#documents.spend(documents);
    await this.#bytes.spend(bytes);
  }

  /** Documents to read at once, so that a limited reader reads evenly and not in bursts. */
  batchSize(most: number): number {
    return Math.min(most, Math.max(FEWEST, this.worth(EVEN_SECONDS)));
  }

  /** Documents that have so many bytes, as large as those before; at least one. */
  fitting(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.#size));
  }

  /** Documents that may be read in so many seconds, as large as those before; at least one. */
  worth(inSeconds: number): number {
    const { documentsPerSecond = Infinity, bytesPerSecond } = this.#limits;
    const byBytes = bytesPerSecond === undefined ? Infinity : bytesPerSecond / this.#size;
    const perSecond = Math.min(documentsPerSecond, byBytes);
    return Math.max(1, Math.floor(perSecond * inSeconds));
  }

  get #size(): number {
    const { documents, bytes } = this.#spent;
    return bytes === 0 ? USUAL_BYTES : bytes / documents;
  }
}
