import type { Collection, Db, Document } from 'mongodb';
import { CONTROL_COLLECTION } from '../names.js';

/** A stretch of `_id`s: `min` inclusive, `max` exclusive, as canonical extended JSON. */
export interface Partition {
  readonly index: number;
  readonly min?: string;
  readonly max?: string;
}

/** A partition and how far its copy is. */
export interface PartitionRecord extends Partition {
  readonly copied: boolean;
  /** Documents and bytes read from the source so far. */
  readonly read: number;
  readonly readBytes: number;
  /** Documents in the staging collection so far. */
  readonly written: number;
}

/** Sums over all partitions. */
export interface CopySummary {
  readonly partitions: number;
  readonly copiedPartitions: number;
  readonly read: number;
  readonly readBytes: number;
  readonly written: number;
}

type Stored = Document & {
  readonly _id: { readonly collection: string; readonly partition: number };
};

/**
 * The partitions of one copy, kept in the target's `cdc`: neither the workflow's history nor a
 * worker's memory grows with the collection, and a partition that is in is never copied again.
 */
export class CopyPlan {
  readonly #collection: Collection<Stored>;
  readonly #name: string;
  readonly #runId: string;

  constructor(db: Db, collection: string, runId: string) {
    this.#collection = db.collection<Stored>(CONTROL_COLLECTION, {
      writeConcern: { w: 'majority' },
    });
    this.#name = collection;
    this.#runId = runId;
  }

  /** Stores the plan, unless this run has one. @returns the number of partitions. */
  async save(partitions: readonly Partition[]): Promise<number> {
    const existing = await this.count();
    if (existing > 0) return existing;
    const records = partitions.map(({ index, min, max }): Stored => ({
      _id: { collection: this.#name, partition: index },
      runId: this.#runId,
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      partitions: partitions.length,
      copied: false,
      read: 0,
      readBytes: 0,
      written: 0,
    }));
    // Last to first: a plan is complete once its first partition is there.
    await this.#collection.bulkWrite(
      records.toReversed().map((record) => ({
        replaceOne: { filter: { _id: record._id }, replacement: record, upsert: true },
      })),
      { ordered: true },
    );
    return partitions.length;
  }

  /** Number of partitions; 0 before `save` has ended. */
  async count(): Promise<number> {
    const first = await this.#collection.findOne({ ...this.#key(0), runId: this.#runId });
    return Number(first?.partitions ?? 0);
  }

  /** @throws when the plan has no such partition. */
  async get(index: number): Promise<PartitionRecord> {
    const found = await this.#collection.findOne({ ...this.#key(index), runId: this.#runId });
    if (!found) throw new Error(`partition ${index} is not in the plan of this migration`);
    const { _id, ...record } = found;
    return { index, ...record } as unknown as PartitionRecord;
  }

  /** Records how far a partition is. */
  async update(index: number, fields: Partial<Omit<PartitionRecord, 'index'>>): Promise<void> {
    await this.#collection.updateOne({ ...this.#key(index), runId: this.#runId }, { $set: fields });
  }

  async summarise(): Promise<CopySummary> {
    const [sums] = await this.#collection
      .aggregate<CopySummary>([
        {
          $match: {
            _id: {
              $gte: { collection: this.#name, partition: 0 },
              $lt: { collection: this.#name, partition: Number.MAX_SAFE_INTEGER },
            },
            runId: this.#runId,
          },
        },
        {
          $group: {
            _id: null,
            partitions: { $sum: 1 },
            copiedPartitions: { $sum: { $cond: ['$copied', 1, 0] } },
            read: { $sum: '$read' },
            readBytes: { $sum: '$readBytes' },
            written: { $sum: '$written' },
          },
        },
      ])
      .toArray();
    return sums ?? { partitions: 0, copiedPartitions: 0, read: 0, readBytes: 0, written: 0 };
  }

  #key(partition: number): Pick<Stored, '_id'> {
    return { _id: { collection: this.#name, partition } };
  }
}
