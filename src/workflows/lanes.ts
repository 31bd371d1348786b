/** Work on many things, a number of them at a time, which may change while it goes on. */
export class Lanes {
  #most: number;
  #running = 0;
  #widen: () => void = () => undefined;

  constructor(most: number) {
    this.#most = most;
  }

  /** From now on so many at a time. What is under way is not stopped. */
  resize(most: number): void {
    this.#most = most;
    this.#widen();
  }

  /**
   * Runs work for each index below `count`; the first failure ends it.
   * @param within begins what is added where this was called: a message that resizes is handled elsewhere.
   */
  async run(
    count: number,
    work: (index: number) => Promise<unknown>,
    within: (begin: () => void) => void = (begin) => begin(),
  ): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      try {
        while (next < count && this.#running <= this.#most) {
          const index = next;
          next += 1;
          await work(index);
        }
      } finally {
        // At once: another lane that ends in the same moment must not count this one.
        this.#running -= 1;
      }
    };
    try {
      await new Promise<void>((resolve, reject) => {
        const settle = () => {
          if (this.#running === 0) resolve();
        };
        const widen = () => {
          const more = Math.min(this.#most - this.#running, count - next);
          for (let added = 0; added < more; added++) {
            this.#running += 1;
            lane().then(settle, reject);
          }
        };
        this.#widen = () => {
          if (this.#running < this.#most && next < count) within(widen);
        };
        widen();
        settle();
      });
    } finally {
      this.#widen = () => undefined;
    }
  }
}
