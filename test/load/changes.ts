import type { AnyBulkWriteOperation } from 'mongodb';

/** A document of the loads: about 500 bytes. */
export interface Item {
  readonly _id: number;
  readonly counter: number;
  readonly group: number;
  readonly text: string;
}

/** Of 100 changes so many are inserts, and as many deletes; the others are updates. */
const INSERTS = 15;
const TEXT = 'x'.repeat(420);

/** The document with this `_id` as it is inserted. */
export function itemOf(_id: number): Item {
  return { _id, counter: 0, group: _id % 97, text: `${TEXT}${_id}` };
}

/** `_id`s that a lane has inserted into one collection and not deleted again. */
interface Own {
  next: number;
  oldest: number;
}

/**
 * Makes the changes of one of several lanes that write at the same time. Each is an event: an update always
 * gives a new value, and a lane deletes only what an earlier bulk of its own has inserted, so that nothing
 * depends on the order within a bulk.
 */
export class ChangeLane {
  readonly #lane: number;
  readonly #lanes: number;
  readonly #documents: number;
  readonly #own = new Map<string, Own>();
  #made = 0;

  /** `documents`: those with an `_id` from 0 on that were there before. */
  constructor(lane: number, lanes: number, documents: number) {
    this.#lane = lane;
    this.#lanes = lanes;
    this.#documents = documents;
  }

  /** So many changes of a collection, in any order. */
  bulk(collection: string, length: number): AnyBulkWriteOperation<Item>[] {
    const own = this.#own.get(collection) ?? { next: 0, oldest: 0 };
    this.#own.set(collection, own);
    const mayDelete = own.next;
    return Array.from({ length }, () => {
      const dice = Math.random() * 100;
      if (dice < INSERTS) {
        return { insertOne: { document: itemOf(this.#idOf(own.next++)) } };
      }
      if (dice < 2 * INSERTS && own.oldest < mayDelete) {
        return { deleteOne: { filter: { _id: this.#idOf(own.oldest++) } } };
      }
      const _id = Math.floor(Math.random() * this.#documents);
      const counter = ++this.#made * this.#lanes + this.#lane;
      return { updateOne: { filter: { _id }, update: { $set: { counter } } } };
    });
  }

  #idOf(index: number): number {
    return this.#documents + index * this.#lanes + this.#lane;
  }
}
