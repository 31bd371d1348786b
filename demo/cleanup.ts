import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds that the end of one part may take: servers are killed before, and nothing else may hold it up. */
const LIMIT_MS = 15_000;

/** Something that was started and has to be stopped. */
export interface Stoppable {
  stop(): Promise<void>;
}

/** Remembers what has been started, also what is only about to be, and stops it all. */
export class Cleanup {
  readonly #ends: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  /**
   * Starts something that `run` will stop, even if it is called before the start is over.
   *
   * @throws Error when cleaning has begun; what the start throws passes through
   */
  async own<T extends Stoppable>(start: () => T | Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new Error('the demo is ending');
    const started = Promise.resolve(start());
    this.#ends.push(async () => {
      // What did not start has cleaned up after itself.
      const part = await started.catch(() => undefined);
      await part?.stop();
    });
    return started;
  }

  /** Stops everything, the last first, whatever fails on the way. Safe to call twice. @throws the first failure */
  run(): Promise<void> {
    this.#closing ??= this.#run();
    return this.#closing;
  }

  async #run(): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#ends.toReversed()) {
      const ended = end().catch((error: unknown) => failures.push(error));
      const late = new Error(`something did not end within ${LIMIT_MS / 1000} s`);
      const isLate = await Promise.race([ended.then(() => false), sleep(LIMIT_MS, true)]);
      if (isLate) failures.push(late);
    }
    if (failures.length > 0) throw failures[0];
  }
}
