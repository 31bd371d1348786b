/** Things per second over the last seconds. */
export class Rate {
  readonly #windowMs: number;
  #samples: { at: number; count: number }[] = [];
  #total = 0;

  constructor(windowMs = 10_000) {
    this.#windowMs = windowMs;
    this.#samples.push({ at: Date.now(), count: 0 });
  }

  /** Adds what was done since the last call. @returns things per second over the window. */
  add(count: number, now = Date.now()): number {
    this.#total += count;
    this.#samples.push({ at: now, count: this.#total });
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? now) < now - this.#windowMs) {
      this.#samples.shift();
    }
    const first = this.#samples[0];
    if (!first || now - first.at < 200) return 0;
    return Math.round(((this.#total - first.count) * 1000) / (now - first.at));
  }
}
