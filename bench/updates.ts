import { setTimeout as sleep } from 'node:timers/promises';
import type { Collection } from 'mongodb';
import type { Order } from './orders.js';

const TICK_MS = 20;
/** Updates of one bulk write. */
const BULK = 200;

/** How an application's updates went. */
export interface UpdatesDone {
  readonly done: number;
  readonly perSecond: number;
  /** Latencies of single updates in ms, sorted; empty with bulk writes. */
  readonly latencies: readonly number[];
}

/** An application that updates documents anywhere in the collection, until it is stopped. */
export class Updates {
  readonly #orders: Collection<Order>;
  readonly #documents: number;
  readonly #startedAt = performance.now();
  readonly #running: Promise<void>;
  readonly #latencies: number[] = [];
  #done = 0;
  #stopped = false;

  /**
   * `perSecond`: single updates, each timed, not waiting for one another. `full`: bulk writes, one
   * after the other.
   */
  constructor(orders: Collection<Order>, documents: number, perSecond: number | 'full') {
    this.#orders = orders;
    this.#documents = documents;
    this.#running = perSecond === 'full' ? this.#bulks() : this.#singles(perSecond);
  }

  /** Ends the updating; returns when the last one is acknowledged. */
  async stop(): Promise<UpdatesDone> {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    this.#stopped = true;
    await this.#running;
    const latencies = this.#latencies.toSorted((one, other) => one - other);
    return { done: this.#done, perSecond: Math.round(this.#done / seconds), latencies };
  }

  async #singles(perSecond: number): Promise<void> {
    const open = new Set<Promise<void>>();
    while (!this.#stopped) {
      const due = ((performance.now() - this.#startedAt) / 1000) * perSecond;
      for (let sent = this.#done + open.size; sent < due; sent++) {
        const one = this.#single().finally(() => open.delete(one));
        open.add(one);
      }
      await sleep(TICK_MS);
    }
    await Promise.all(open);
  }

  async #single(): Promise<void> {
    const at = performance.now();
    await this.#orders.updateOne({ _id: this.#any() }, { $inc: { counter: 1 } });
    this.#latencies.push(performance.now() - at);
    this.#done += 1;
  }

  async #bulks(): Promise<void> {
    while (!this.#stopped) {
      await this.#orders.bulkWrite(
        Array.from({ length: BULK }, () => ({
          updateOne: { filter: { _id: this.#any() }, update: { $inc: { counter: 1 } } },
        })),
        { ordered: false },
      );
      this.#done += BULK;
    }
  }

  #any(): number {
    return Math.floor(Math.random() * this.#documents);
  }
}

/** A percentile of a sorted list. */
export function percentile(sorted: readonly number[], percent: number): number {
  const at = Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100));
  return Math.round((sorted[at] ?? Number.NaN) * 100) / 100;
}
