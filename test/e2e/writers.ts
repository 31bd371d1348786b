import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyBulkWriteOperation, Collection, MongoClient } from 'mongodb';

interface Item {
  readonly _id: number;
  readonly email?: string;
  readonly counter?: number;
  readonly at?: Date;
  readonly group?: number;
  readonly tags?: readonly unknown[];
  readonly text?: string;
}

const TICK_MS = 20;

/** Loads `count` documents of some kinds. */
export async function loadItems(client: MongoClient, name: string, count: number): Promise<void> {
  const collection = client.db('shop').collection<Item>(name);
  for (let at = 0; at < count; at += 5_000) {
    const length = Math.min(5_000, count - at);
    await collection.insertMany(Array.from({ length }, (_, index) => item(at + index)));
  }
  await collection.createIndex({ email: 1 }, { unique: true });
  await collection.createIndex({ at: 1 }, { expireAfterSeconds: 1_000_000_000 });
  await collection.createIndex({ counter: 1, group: -1 }, { sparse: true });
}

/** An application that writes: 60 % updates, 30 % inserts, 10 % deletes, some in transactions. */
export class Writers {
  readonly #client: MongoClient;
  readonly #collection: Collection<Item>;
  readonly #perTick: number;
  readonly #random: () => number;
  #next: number;
  #stopped = false;
  #running: Promise<void>;
  /** Operations that were acknowledged. */
  done = 0;

  /** `first`: number of documents that are there; `perSecond`: operations. */
  constructor(client: MongoClient, name: string, first: number, perSecond: number, seed = 1) {
    this.#client = client;
    this.#collection = client.db('shop').collection<Item>(name);
    this.#perTick = Math.max(1, Math.round((perSecond * TICK_MS) / 1000));
    this.#next = first;
    this.#random = mulberry32(seed);
    this.#running = this.#run();
  }

  /** Ends the writing; returns when the last operation is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let tick = 0; !this.#stopped; tick++) {
      const operations = Array.from({ length: this.#perTick }, () => this.#operation());
      try {
        if (tick % 10 === 0) {
          await this.#client.withSession((session) =>
            session.withTransaction(() =>
              this.#collection.bulkWrite(operations, { session, ordered: false }),
            ),
          );
        } else await this.#collection.bulkWrite(operations, { ordered: false });
        this.done += operations.length;
      } catch {
        // The source is restarted under the writers: what was not acknowledged may or may not be there.
        await sleep(100);
      }
      await sleep(TICK_MS);
    }
  }

  #operation(): AnyBulkWriteOperation<Item> {
    const dice = this.#random();
    const _id = Math.floor(this.#random() * this.#next);
    if (dice < 0.5) return { updateOne: { filter: { _id }, update: { $inc: { counter: 1 } } } };
    if (dice < 0.6) {
      return { updateOne: { filter: { _id }, update: { $set: { 'nested.a': dice, '9': 1 } } } };
    }
    if (dice < 0.9) {
      this.#next += 1;
      return { insertOne: { document: item(this.#next - 1) } };
    }
    return { deleteOne: { filter: { _id } } };
  }
}

function item(index: number): Item {
  return {
    _id: index,
    email: `person-${index}@example.org`,
    at: new Date(1_700_000_000_000 + index),
    counter: index % 7,
    group: index % 3,
    tags: ['a', 'b', { c: index }],
    text: 'x'.repeat(200),
  };
}

/** Small seeded generator, so that a failing run can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
