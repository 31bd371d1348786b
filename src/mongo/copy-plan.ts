import type { ClientSession, Collection, Db, Document } from 'mongodb';
import { CONTROL_COLLECTION } from '../names.js';
import { type Control, FencedError } from './control.js';
import type { Partition } from './partitions.js';
import { numberedIds, ofRound, roundKey } from './round.js';
import { inTransaction } from './transaction.js';

/** A partition and how far its copy is. */
export interface PartitionRecord extends Partition {
  readonly copied: boolean;
  /** Documents and bytes read from the source so far. */
  readonly read: number;
  readonly readBytes: number;
  /** Documents in the staging collection so far. */
  readonly written: number;
  /** Number of attempts that have taken it; missing before the first. */
  readonly epoch?: number;
}

/** A partition that an attempt has taken: its writes hold until another one takes it. */
export interface TakenPartition extends PartitionRecord {
  readonly epoch: number;
}

/** What the copy of a partition has done since it was last told. */
export interface CopyStep {
  readonly documents: number;
  readonly bytes: number;
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
  readonly _id: {
    readonly collection: string;
    readonly partition: number;
    readonly round?: number;
  };
};

/**
 * The partitions of one copy, kept in the target's `cdc`: neither the workflow's history nor a
 * worker's memory grows with the collection, and a partition that is in is never copied again.
 */
export class CopyPlan {
  readonly #db: Db;
  readonly #collection: Collection<Stored>;
  readonly #name: string;
  readonly #runId: string;
  readonly #round: number;
  readonly #onCopied: ((step: CopyStep) => void) | undefined;
  readonly #told = new Map<number, CopyStep>();

  /** @param onCopied told of what this worker copies, what it repeats too. */
  constructor(
    db: Db,
    { id, runId, round }: Pick<Control, 'id' | 'runId' | 'round'>,
    onCopied?: (step: CopyStep) => void,
  ) {
    this.#db = db;
    this.#onCopied = onCopied;
    this.#collection = db.collection<Stored>(CONTROL_COLLECTION, {
      writeConcern: { w: 'majority' },
      readPreference: 'primary',
    });
    this.#name = id;
    this.#runId = runId;
    this.#round = round;
  }

  /**
   * Stores the plan as a whole, unless this run has one: two attempts may have found other cut points.
   * @param fence first statement of the transaction: ties it to this run.
   * @returns the number of partitions.
   */
  async save(
    partitions: readonly Partition[],
    fence: (session: ClientSession) => Promise<void>,
  ): Promise<number> {
    // Also once the collection has its final name, after which no plan is stored any more.
    let count = await this.count();
    if (count > 0) return count;
    await using session = this.#db.client.startSession({ causalConsistency: false });
    await inTransaction(session, async () => {
      await fence(session);
      count = await this.#insert(partitions, session);
    });
    return count;
  }

  async #insert(partitions: readonly Partition[], session: ClientSession): Promise<number> {
    // A transaction has one write concern of its own; statements in it must not have another.
    const collection = this.#db.collection<Stored>(CONTROL_COLLECTION);
    const existing = await collection.findOne(this.#own(0), { session });
    if (existing) return Number(existing['partitions']);
    const records = partitions.map(({ index, ...range }): Stored => ({
      ...this.#own(index),
      ...range,
      partitions: partitions.length,
      copied: false,
      read: 0,
      readBytes: 0,
      written: 0,
    }));
    // Of a run before this one, or of a part of a plan.
    const former = { ...numberedIds(this.#name, 'partition'), ...ofRound(this.#round) };
    await collection.deleteMany(former, { session });
    await collection.insertMany(records, { session });
    return partitions.length;
  }

  /** Number of partitions; 0 before `save` has ended. */
  async count(): Promise<number> {
    const first = await this.#collection.findOne(this.#own(0));
    return Number(first?.partitions ?? 0);
  }

  /** Number of partitions that somebody has taken and not finished. */
  async countUnderWay(): Promise<number> {
    return this.#collection.countDocuments({ ...this.#all(), copied: false, epoch: { $gte: 1 } });
  }

  /** @throws when the plan has no such partition. */
  async get(index: number): Promise<PartitionRecord> {
    return this.#record(index, await this.#collection.findOne(this.#own(index)));
  }

  /**
   * Takes a partition; from now on its earlier attempts clear nothing, and record nothing.
   * @throws when the plan has no such partition.
   */
  async take(index: number): Promise<TakenPartition> {
    const taken = await this.#collection.findOneAndUpdate(
      this.#own(index),
      { $inc: { epoch: 1 } },
      { returnDocument: 'after' },
    );
    const record = this.#record(index, taken);
    return { ...record, epoch: record.epoch ?? 0 };
  }

  /** Records how far a partition is, for people. */
  async update(index: number, fields: Partial<Omit<PartitionRecord, 'index'>>): Promise<void> {
    await this.#collection.updateOne(this.#own(index), { $set: fields });
    this.#tell(index, fields);
  }

  /**
   * Records that a partition is copied.
   * @throws FencedError when another attempt has taken it.
   */
  async finish(
    { index, epoch }: TakenPartition,
    fields: Partial<Omit<PartitionRecord, 'index'>>,
  ): Promise<void> {
    const own = { ...this.#own(index), epoch };
    const { matchedCount } = await this.#collection.updateOne(own, { $set: fields });
    if (matchedCount === 0) throw new FencedError(`the copy of partition ${index}`);
    this.#tell(index, fields);
  }

  /**
   * First statement of a transaction: ties its writes to the epoch. It writes, so that it conflicts
   * with a successor that takes the partition at the same time.
   * @throws FencedError when another attempt has taken it.
   */
  async fence({ index, epoch }: TakenPartition, session: ClientSession): Promise<void> {
    // A transaction has one write concern of its own; statements in it must not have another.
    const { matchedCount } = await this.#db
      .collection<Stored>(CONTROL_COLLECTION)
      .updateOne({ ...this.#own(index), epoch }, { $inc: { fences: 1 } }, { session });
    if (matchedCount === 0) throw new FencedError(`the copy of partition ${index}`);
  }

  async summarise(): Promise<CopySummary> {
    const [sums] = await this.#collection
      .aggregate<CopySummary>([
        {
          $match: this.#all(),
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

  #tell(index: number, fields: Partial<Pick<PartitionRecord, 'written' | 'readBytes'>>): void {
    const last = this.#told.get(index) ?? { documents: 0, bytes: 0 };
    const { written: documents = last.documents, readBytes: bytes = last.bytes } = fields;
    this.#told.set(index, { documents, bytes });
    // Fewer than before: it has begun anew.
    this.#onCopied?.({
      documents: Math.max(0, documents - last.documents),
      bytes: Math.max(0, bytes - last.bytes),
    });
  }

  #all() {
    return {
      ...numberedIds(this.#name, 'partition'),
      ...ofRound(this.#round),
      runId: this.#runId,
    };
  }

  #record(index: number, found: Stored | null): PartitionRecord {
    if (!found) throw new Error(`partition ${index} is not in the plan of this migration`);
    const { _id, ...record } = found;
    return { index, ...record } as unknown as PartitionRecord;
  }

  #own(partition: number): Pick<Stored, '_id'> & { runId: string } {
    const _id = { collection: this.#name, partition, ...roundKey(this.#round) };
    return { _id, runId: this.#runId };
  }
}
