import {
  type Collection,
  type Db,
  type Document,
  MongoServerError,
  type MongoClient,
} from 'mongodb';
import { Gatherer } from '../gatherer.js';
import { CONTROL_COLLECTION } from '../names.js';
import type { ControlDocument } from './control-document.js';

/** Documents of a command, of some kB each. */
const MOST = 100;

/** Which control document, and of which run and epoch it has to be. */
type Filter = Document & { readonly _id: string; readonly runId: string };

/** A change of a control document that leaves it the same when it is made twice. */
interface Change {
  readonly filter: Filter;
  readonly set: Document;
}

type Found = ControlDocument | undefined;

const batches = new WeakMap<MongoClient, Map<string, ControlBatch>>();

/** The control documents of a database. Those that are read or changed at the same moment are so by one command. */
export class ControlBatch {
  readonly collection: Collection<ControlDocument>;
  readonly #reads: Gatherer<Filter, Found>;
  readonly #changes: Gatherer<Change, Found>;

  private constructor(db: Db) {
    this.collection = db.collection<ControlDocument>(CONTROL_COLLECTION, {
      writeConcern: { w: 'majority' },
      readConcern: { level: 'local' },
      readPreference: 'primary',
    });
    this.#reads = new Gatherer((filters) => this.#readAll(filters), MOST);
    this.#changes = new Gatherer((changes) => this.#changeAll(changes), MOST);
  }

  /** The one of this database, for all that reach it by the same client. */
  static of(db: Db): ControlBatch {
    const ofClient = batches.get(db.client) ?? new Map<string, ControlBatch>();
    batches.set(db.client, ofClient);
    const batch = ofClient.get(db.databaseName) ?? new ControlBatch(db);
    ofClient.set(db.databaseName, batch);
    return batch;
  }

  /** Reads a run's control document; nothing when it is gone. */
  async read(filter: Filter): Promise<Found> {
    return this.#reads.add(filter);
  }

  /**
   * Sets fields, which may be set twice.
   * @returns the document after it; nothing when there is none that the filter fits.
   */
  async change(change: Change): Promise<Found> {
    return this.#changes.add(change);
  }

  async #readAll(filters: readonly Filter[]): Promise<Found[]> {
    const [first] = filters;
    if (filters.length === 1 && first) return [(await this.collection.findOne(first)) ?? undefined];
    const ids = [...new Set(filters.map(({ _id }) => _id))];
    // With as many as there are, the server would keep the cursor open.
    const found = await this.collection
      .find({ _id: { $in: ids } }, { batchSize: MOST + 1 })
      .toArray();
    const byId = new Map(found.map((document) => [document._id, document]));
    return filters.map(({ _id, runId }) => {
      const document = byId.get(_id);
      return document?.runId === runId ? document : undefined;
    });
  }

  async #changeAll(changes: readonly Change[]): Promise<(Found | Promise<Found>)[]> {
    const [first] = changes;
    if (changes.length === 1 && first) return [this.#changeOne(first)];
    // The server does not say which of them it has not found, nor by itself what the others have become.
    if (!(await this.#haveAllChanged(changes))) return changes.map((each) => this.#changeOne(each));
    return this.#readAll(changes.map(({ filter: { _id, runId } }) => ({ _id, runId })));
  }

  async #haveAllChanged(changes: readonly Change[]): Promise<boolean> {
    const updates = changes.map(({ filter, set }) => ({
      updateOne: { filter, update: { $set: set } },
    }));
    try {
      const { matchedCount } = await this.collection.bulkWrite(updates, { ordered: false });
      return matchedCount === changes.length;
    } catch (error) {
      // What the server says is wrong with one of them, which is no fault of the others.
      if (error instanceof MongoServerError) return false;
      throw error;
    }
  }

  async #changeOne({ filter, set }: Change): Promise<Found> {
    const found = await this.collection.findOneAndUpdate(
      filter,
      { $set: set },
      { returnDocument: 'after' },
    );
    return found ?? undefined;
  }
}
