import { isAway } from './grpc.js';
import type { Output } from './output.js';

/** Reads again and again, also while Temporal is away; says once that it is, and once that it is back. */
export class Reading {
  readonly #output: Output;
  readonly #what: string;
  #isAway = false;

  /** @param what is said before it that Temporal is away. */
  constructor(output: Output, what = '') {
    this.#output = output;
    this.#what = what;
  }

  /** What was read; nothing while Temporal is away. @throws what else goes wrong */
  async once<T>(run: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await run();
      if (this.#isAway) this.#output.warn('Temporal answers again');
      this.#isAway = false;
      return result;
    } catch (error) {
      if (!isAway(error)) throw error;
      if (!this.#isAway) {
        const why = error instanceof Error ? error.message : String(error);
        this.#output.warn(`${this.#what}Temporal does not answer, trying again (${why})`);
      }
      this.#isAway = true;
      return undefined;
    }
  }
}
