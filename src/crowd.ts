/** Counts those of a kind that are on this worker, so that each does less often, or takes less of, what all of them do. */
export class Crowd {
  #size = 0;

  /** A place among them; it counts while it is taken. */
  place(): Place {
    return new Place((by) => void (this.#size += by));
  }

  /** Counts one from now on, until it is disposed of. */
  join(): Disposable {
    const place = this.place();
    place.set(true);
    return place;
  }

  /** `ms`, or more where many share the worker: so many for each, but no more than `most`. */
  stretch(ms: number, { each, most }: { readonly each: number; readonly most: number }): number {
    return Math.min(most, Math.max(ms, each * this.#size));
  }

  /** What each of them has of something that is for all. */
  share(ofAll: number): number {
    return Math.ceil(ofAll / Math.max(1, this.#size));
  }
}

class Place implements Disposable {
  readonly #count: (by: 1 | -1) => void;
  #isTaken = false;

  constructor(count: (by: 1 | -1) => void) {
    this.#count = count;
  }

  /** Takes it, or gives it away. */
  set(isTaken: boolean): void {
    if (isTaken !== this.#isTaken) this.#count(isTaken ? 1 : -1);
    this.#isTaken = isTaken;
  }

  [Symbol.dispose](): void {
    this.set(false);
  }
}
