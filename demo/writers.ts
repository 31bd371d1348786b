import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Writes per second that one of the writers does: a majority write takes some milliseconds. */
const PER_WRITER = 25;
const FEWEST = 4;
const MOST = 64;
/** Milliseconds over which the rate is measured. */
const WINDOW_MS = 3_000;

/** Writers that write at a steady rate, some at the same time. */
export class Writers {
  /** Rejects when a write fails; never resolves. */
  readonly failed: Promise<never>;
  /** Resolves when the first write is acknowledged. */
  readonly began: Promise<void>;
  /** Writes that were acknowledged. */
  count = 0;
  /** When the first and the last one were acknowledged, by `performance.now()`. */
  firstAt: number | undefined;
  lastAt: number | undefined;
  readonly #rate: number;
  readonly #write: () => Promise<unknown>;
  readonly #recent: number[] = [];
  #fail: (error: unknown) => void = () => {};
  #begin: () => void = () => {};
  #stopping = new AbortController();
  #lanes: Promise<void>[] = [];

  /** @param rate writes per second, of all writers together */
  constructor(rate: number, write: () => Promise<unknown>) {
    this.#rate = rate;
    this.#write = write;
    this.failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    this.began = new Promise((resolve) => {
      this.#begin = resolve;
    });
    // Whoever waits for it hears of it; nobody has to.
    this.failed.catch(() => {});
  }

  /** Lets them write until `stop`. */
  start(): void {
    this.#stopping = new AbortController();
    setMaxListeners(MOST, this.#stopping.signal);
    const count = Math.min(MOST, Math.max(FEWEST, Math.ceil(this.#rate / PER_WRITER)));
    const pauseMs = (count * 1000) / this.#rate;
    this.#lanes = Array.from({ length: count }, (_, lane) =>
      // Spread over the pause, all but the first, which shows at once that writing works.
      this.#run((lane * pauseMs) / count, pauseMs, this.#stopping.signal),
    );
  }

  /** Lets them finish what they are at, and returns when nothing of them is under way any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#lanes);
  }

  /** Writes per second of late. */
  get perSecond(): number {
    const since = performance.now() - WINDOW_MS;
    while ((this.#recent[0] ?? since) < since) this.#recent.shift();
    const [first] = this.#recent;
    if (first === undefined) return 0;
    return Math.round((this.#recent.length * 1000) / Math.max(1000, performance.now() - first));
  }

  async #run(delayMs: number, pauseMs: number, signal: AbortSignal): Promise<void> {
    let due = performance.now() + delayMs;
    while (!signal.aborted) {
      try {
        // Rejects only by the signal.
        await sleep(Math.max(0, due - performance.now()), undefined, { signal });
      } catch {
        return;
      }
      try {
        await this.#write();
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#acknowledged();
      // A slow server is not flooded afterwards.
      due = Math.max(due + pauseMs, performance.now() - pauseMs);
    }
  }

  #acknowledged(): void {
    const now = performance.now();
    this.count++;
    this.firstAt ??= now;
    this.lastAt = now;
    this.#recent.push(now);
    this.#begin();
  }
}
