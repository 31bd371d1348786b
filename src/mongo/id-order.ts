import { BSONType, MaxKey } from 'mongodb';
import type { Side } from './compare.js';
import { idOf, type RawValue } from './raw.js';
import { type RawBatch, RawCursor } from './raw-cursor.js';

/** A stretch of `_id`s in the order of a collection's own index: `from` inclusive, `to` exclusive. */
export interface IdRange {
  /** From the first if missing. */
  readonly from?: RawValue | undefined;
  /** To the last, that included, if missing. */
  readonly to?: RawValue | undefined;
}

/** A range and its documents, in order. */
export interface ReadRange extends IdRange {
  readonly documents: readonly Buffer[];
}

/** How to read. */
export interface ReadOptions {
  readonly signal: AbortSignal;
  /** Documents per reply; a reply has 16 MB at most in any case. */
  readonly batchSize: number;
}

const EMPTY: RawBatch = { documents: [], bytes: 0 };

/**
 * Reads the documents of a range in `_id` order. The range is given as bounds of the index, for which
 * all values of all types are in one order, by the collection's collation: `{_id: {$gte: x}}` would
 * find values of x's type alone. Clustered collections take the same (tried with 6.0.5).
 */
export async function* readInOrder(
  { db, collection }: Side,
  { from, to }: IdRange,
  { signal, batchSize }: ReadOptions,
): AsyncGenerator<RawBatch> {
  const shared = { find: collection, batchSize, readConcern: { level: 'majority' } };
  if (from?.type !== BSONType.maxKey) {
    await using cursor = await RawCursor.open(
      db,
      {
        ...shared,
        hint: { _id: 1 },
        sort: { _id: 1 },
        noCursorTimeout: true,
        ...(from && { min: { _id: from } }),
        // With `min` alone the server takes MaxKey for the end, and the end is exclusive.
        ...((from ?? to) && { max: { _id: to ?? new MaxKey() } }),
      },
      { signal, batchSize },
    );
    for await (const batch of cursor) yield batch;
  }
  if (!from || to) return;
  await using last = await RawCursor.open(
    db,
    { ...shared, filter: { _id: new MaxKey() } },
    { signal },
  );
  for await (const batch of last) yield batch;
}

/**
 * Cuts a collection into ranges as it reads it, from an `_id` on; together they cover every `_id`, of
 * documents or not. An empty collection is one empty range. The next reply is on its way while the
 * caller works.
 */
export async function* readRanges(
  side: Side,
  from: RawValue | undefined,
  options: ReadOptions,
): AsyncGenerator<ReadRange> {
  const batches = readInOrder(side, { from }, options);
  try {
    const next = async (): Promise<RawBatch | undefined> => {
      const { value, done } = await batches.next();
      return done === true ? undefined : value;
    };
    let current = (await next()) ?? EMPTY;
    let following = await next();
    for (let start = from; ;) {
      const first = following?.documents[0];
      const to = first && idOf(first);
      const later = following ? next() : undefined;
      // It is awaited below, unless the caller gives up.
      later?.catch(() => undefined);
      yield { from: start, to, documents: current.documents };
      if (!following) return;
      start = to;
      current = following;
      following = await later;
    }
  } finally {
    await batches.return(undefined);
  }
}
