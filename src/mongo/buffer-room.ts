/** Growth is measured over so many ms: replay and removal go in steps of some seconds. */
const WINDOW_MS = 60_000;
/** Before so many ms a growth says nothing. */
const LEAST_MS = 10_000;
/** Part of the limit to which a full buffer has to shrink before capture goes on: not on and off all the time. */
const REFILL = 0.75;

/** How large the buffer is, how fast it grows, and whether it has room for more changes. */
export class BufferRoom {
  #samples: { at: number; bytes: number }[] = [];
  #since = 0;
  #fullSince: Date | undefined;

  /** `fullSince`: of an earlier attempt. */
  constructor(fullSince?: Date) {
    this.#fullSince = fullSince;
  }

  /** Since when capture waits for room; nothing while there is some. */
  get fullSince(): Date | undefined {
    return this.#fullSince;
  }

  /** Bytes by which the buffer grows per second, less than 0 where it shrinks; nothing before that is known. */
  get growth(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at - first.at < LEAST_MS) return undefined;
    return Math.round(((last.bytes - first.bytes) * 1000) / (last.at - first.at));
  }

  /** Bytes of all changes in it, as far as that is known; nothing before it was measured. */
  get bytes(): number | undefined {
    const measured = this.#samples.at(-1);
    return measured && measured.bytes + this.#since;
  }

  /** Counts bytes that were put into the buffer since it was measured. */
  add(bytes: number): void {
    this.#since += bytes;
  }

  /** Takes what the server says: bytes of all changes in the buffer. */
  measured(bytes: number, now = Date.now()): void {
    this.#since = 0;
    this.#samples.push({ at: now, bytes });
    while ((this.#samples[1]?.at ?? now) <= now - WINDOW_MS) this.#samples.shift();
  }

  /**
   * Whether capture has to wait: from the limit on, until there is room for a quarter of it.
   * @param limit in bytes; `null` is none
   */
  isFull(limit: number | null, now = new Date()): boolean {
    const bytes = this.bytes ?? this.#since;
    const bound = this.#fullSince ? (limit ?? 0) * REFILL : limit;
    if (limit === null || bound === null || bytes < bound) this.#fullSince = undefined;
    else this.#fullSince ??= now;
    return this.#fullSince !== undefined;
  }
}
