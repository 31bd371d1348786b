import {
  type ClientSession,
  type Collection,
  type Document,
  Long,
  type MongoClient,
} from 'mongodb';
import { aChange, aKind, type WriteKind } from './changes.js';
import { idAt, orderAt } from './documents.js';
import { COLLECTION, DATABASE } from './orders.js';

/** Which documents an application works on. */
export interface ApplicationOptions {
  /** Documents that exist already, with the indexes from 0 on. */
  readonly documents: number;
  /** The `_id` of the document with this index; `idAt` when left out. */
  readonly id?: (index: number) => unknown;
  /** What is added to an index to make a number that is unique in the collection. */
  readonly firstNumber: number;
  readonly oddNames: boolean;
}

/** Changes orders at random, as a shop would: each call of `write` is one write, acknowledged by the majority. */
export class Application {
  readonly #client: MongoClient;
  readonly #orders: Collection;
  readonly #options: ApplicationOptions;
  /** Indexes of the documents that exist. */
  readonly #live: number[];
  #next: number;
  #numbers: number;

  constructor(client: MongoClient, options: ApplicationOptions) {
    this.#client = client;
    this.#orders = client.db(DATABASE).collection(COLLECTION, { writeConcern: { w: 'majority' } });
    this.#options = options;
    this.#live = Array.from({ length: options.documents }, (_, index) => index);
    this.#next = options.documents;
    this.#numbers = options.firstNumber;
  }

  /** Does one write and returns when it is acknowledged. @throws MongoServerError */
  async write(): Promise<WriteKind> {
    const kind = this.#live.length < 2 ? 'insert' : aKind();
    switch (kind) {
      case 'insert':
        await this.#insert();
        break;
      case 'update':
        await this.#orders.updateOne(this.#someone(), aChange(this.#options.oddNames));
        break;
      case 'replace': {
        const index = this.#pick();
        await this.#orders.replaceOne(this.#filter(index), this.#order(index));
        break;
      }
      case 'delete':
        await this.#orders.deleteOne(this.#filter(this.#take()));
        break;
      case 'transaction':
        await this.#client.withSession((session) =>
          session.withTransaction(() => this.#transact(session)),
        );
    }
    return kind;
  }

  /** A unique value moves from one document to another, one document comes, one goes: all or nothing. */
  async #transact(session: ClientSession): Promise<void> {
    const giver = await this.#orders.findOneAndUpdate(
      this.#someone(),
      { $set: { number: this.#number() } },
      // The number stays a long.
      { session, projection: { number: 1 }, promoteValues: false },
    );
    if (giver === null) return;
    const { number } = giver;
    await this.#orders.updateOne(this.#someone(), { $set: { number } }, { session });
    await this.#insert(session);
    await this.#orders.deleteOne(this.#filter(this.#take()), { session });
  }

  async #insert(session?: ClientSession): Promise<void> {
    const index = this.#next++;
    await this.#orders.insertOne(this.#order(index), {
      forceServerObjectId: true,
      ...(session && { session }),
    });
    this.#live.push(index);
  }

  #order(index: number): Document {
    const { oddNames } = this.#options;
    const number = this.#numbers++;
    return orderAt(index, { id: this.#id(index), number, oddNames });
  }

  #id(index: number): unknown {
    return (this.#options.id ?? idAt)(index);
  }

  #filter(index: number): Document {
    return { _id: this.#id(index) };
  }

  #someone(): Document {
    return this.#filter(this.#pick());
  }

  #pick(): number {
    return this.#live[Math.floor(Math.random() * this.#live.length)] ?? 0;
  }

  /** Picks a document that is about to go. */
  #take(): number {
    const at = Math.floor(Math.random() * this.#live.length);
    const taken = this.#live[at] ?? 0;
    const last = this.#live.pop();
    if (last !== undefined && at < this.#live.length) this.#live[at] = last;
    return taken;
  }

  #number(): Long {
    return Long.fromNumber(this.#numbers++);
  }
}
