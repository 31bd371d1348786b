/** Of an item that may fail by itself, a promise. */
type Outcome<Result> = Result | Promise<Result>;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (outcome: Outcome<Result>) => void;
  readonly reject: (error: unknown) => void;
}

/** Does together what is asked for in the same turn of the event loop: a command for many costs little more than for one. */
export class Gatherer<Item, Result> {
  readonly #work: (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>;
  readonly #most: number;
  #waiting: Waiting<Item, Result>[] = [];

  /**
   * @param work gives the outcomes in the order of the items. When it fails, it fails for all of them.
   * @param most items that it is given at a time.
   */
  constructor(work: (items: readonly Item[]) => Promise<readonly Outcome<Result>[]>, most: number) {
    this.#work = work;
    this.#most = most;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#begin());
      else if (this.#waiting.length === this.#most) this.#begin();
    });
  }

  #begin(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#work(waiting.map(({ item }) => item)).then(
      (outcomes) =>
        waiting.forEach(({ resolve }, index) => resolve(outcomes[index] as Outcome<Result>)),
      (error: unknown) => waiting.forEach(({ reject }) => reject(error)),
    );
  }
}
