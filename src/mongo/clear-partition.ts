import type { Db, UUID } from 'mongodb';
import { idLimits } from './chunks.js';
import { FencedError } from './control.js';
import type { CopyPlan, TakenPartition } from './copy-plan.js';
import { deleteInParts, deleteStatements } from './deletes.js';
import { dropOwn } from './drop-own.js';
import { partitionFilter } from './partitions.js';
import { copyOf, idOf, runWithDocuments } from './raw.js';
import { RawCursor } from './raw-cursor.js';
import { inTransaction } from './transaction.js';

/** What is to be cleared, and by which right. */
export interface Clearing {
  readonly db: Db;
  readonly staging: string;
  readonly clustered?: boolean | undefined;
  readonly plan: CopyPlan;
  readonly partition: TakenPartition;
  readonly signal: AbortSignal;
  /** Told after each step. */
  readonly onMoved: () => void | Promise<void>;
}

/**
 * Deletes what earlier attempts have put into the staging collection, in transactions that hold only
 * while the partition's epoch is ours: a plain delete of an attempt that was cut off could come when
 * its successor has copied the partition.
 * @throws FencedError when another attempt has taken the partition.
 */
export async function clearPartition(clearing: Clearing): Promise<void> {
  const { db, staging, clustered, plan, partition, signal, onMoved } = clearing;
  await using session = db.client.startSession({ causalConsistency: false });
  await using found = await RawCursor.open(
    db,
    {
      find: staging,
      filter: partitionFilter(partition),
      projection: { _id: 1 },
      batchSize: idLimits.items,
      noCursorTimeout: true,
    },
    { signal, batchSize: idLimits.items },
  );
  for await (const { documents } of found) {
    const ids = documents.map((document) => copyOf(idOf(document)));
    await deleteInParts(ids, { session, touch: onMoved }, (some) =>
      inTransaction(session, async () => {
        await plan.fence(partition, session);
        const statements = deleteStatements(some, clustered);
        await runWithDocuments(db, { delete: staging }, 'deletes', statements, { session, signal });
      }),
    );
  }
}

/**
 * Drops a capped staging collection, from which nothing can be deleted. Where the server can check it
 * (6.0), the drop names the collection's UUID, so that it never meets one that a successor has made.
 * @throws FencedError when another attempt has taken the partition.
 */
export async function dropCapped(
  db: Db,
  staging: string,
  uuid: UUID,
  plan: CopyPlan,
  partition: TakenPartition,
): Promise<void> {
  if ((await plan.get(partition.index)).epoch !== partition.epoch) throw fenced(partition);
  if ((await dropOwn(db, staging, uuid)) === 'another') throw fenced(partition);
}

function fenced({ index }: TakenPartition): FencedError {
  return new FencedError(`the copy of partition ${index}`);
}
