import type { Db } from 'mongodb';
import { isUnauthorized } from './catalogue.js';
import { runCommand } from './raw.js';

/** Size of a collection. Bytes are those of its BSON documents, uncompressed. */
export interface CollectionSize {
  readonly documents: number;
  readonly bytes: number;
  readonly averageBytes: number;
}

/** Documents from which the average size is guessed where `collStats` is not permitted. */
const SIZE_SAMPLE = 100;

/**
 * Reads how large a collection is: by `collStats`, or where that is not permitted by `count` and
 * the average of some documents.
 */
export async function readSize(
  db: Db,
  collection: string,
  signal?: AbortSignal,
): Promise<CollectionSize> {
  try {
    const { count, size } = await runCommand(db, { collStats: collection }, { signal });
    const [documents, bytes] = [Number(count ?? 0), Number(size ?? 0)];
    return { documents, bytes, averageBytes: documents > 0 ? bytes / documents : 0 };
  } catch (error) {
    if (!isUnauthorized(error)) throw error;
  }
  const documents = Number((await runCommand(db, { count: collection }, { signal })).n);
  const pipeline = [
    { $sample: { size: SIZE_SAMPLE } },
    { $group: { _id: null, average: { $avg: { $bsonSize: '$$ROOT' } } } },
  ];
  const command = { aggregate: collection, pipeline, cursor: {} };
  const { cursor }: { cursor?: { firstBatch: { average: number }[] } } = await runCommand(
    db,
    command,
    { signal },
  );
  const first = cursor?.firstBatch[0];
  const averageBytes = first?.average ?? 0;
  return { documents, bytes: Math.round(documents * averageBytes), averageBytes };
}
