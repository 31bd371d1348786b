import { setTimeout as sleep } from 'node:timers/promises';
import type { Collection } from 'mongodb';
import type { Order } from './documents.js';

const TICK_MS = 20;
/** Updates of one bulk write at most. */
const BULK = 200;
/** Between two single updates that are timed, in ms. */
const PROBE_MS = 20;

/** How an application's updates went. */
export interface UpdatesDone {
  readonly perSecond: number;
  /** Latencies of single updates in ms, sorted. */
  readonly latencies: readonly number[];
}

/**
 * An application that updates documents anywhere in the collection, until it is stopped: in bulk writes
 * one after the other, and beside them in single updates, which are timed.
 */
export class Updates {
  readonly #orders: Collection<Order>;
  readonly #documents: number;
  readonly #startedAt = performance.now();
  readonly #running: Promise<unknown>;
  readonly #latencies: number[] = [];
  #done = 0;
  #stopped = false;

  /** `full`: as fast as the server takes one bulk write after the other. */
  constructor(orders: Collection<Order>, documents: number, perSecond: number | 'full') {
    this.#orders = orders;
    this.#documents = documents;
    const limit = perSecond === 'full' ? Number.POSITIVE_INFINITY : perSecond;
    this.#running = Promise.all([this.#bulks(limit), this.#probes()]);
  }

  /** Ends the updating; returns when the last one is acknowledged. */
  async stop(): Promise<UpdatesDone> {
    this.#stopped = true;
    await this.#running;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const latencies = this.#latencies.toSorted((one, other) => one - other);
    return { perSecond: Math.round(this.#done / seconds), latencies };
  }

  async #bulks(perSecond: number): Promise<void> {
    while (!this.#stopped) {
      const due = ((performance.now() - this.#startedAt) / 1000) * perSecond - this.#done;
      const length = Math.min(BULK, Math.ceil(due));
      if (length > 0) {
        await this.#orders.bulkWrite(
          Array.from({ length }, () => ({ updateOne: this.#update() })),
          { ordered: false },
        );
        this.#done += length;
      }
      if (due <= BULK) await sleep(TICK_MS);
    }
  }

  async #probes(): Promise<void> {
    while (!this.#stopped) {
      const at = performance.now();
      const { filter, update } = this.#update();
      await this.#orders.updateOne(filter, update);
      this.#latencies.push(performance.now() - at);
      await sleep(PROBE_MS);
    }
  }

  #update() {
    const _id = Math.floor(Math.random() * this.#documents);
    return { filter: { _id }, update: { $inc: { counter: 1 } } };
  }
}

/** A percentile of a sorted list. */
export function percentile(sorted: readonly number[], percent: number): number {
  const at = Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100));
  return Math.round((sorted[at] ?? Number.NaN) * 100) / 100;
}
