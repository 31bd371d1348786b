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
  /** Documents in all, if not all of the range. */
  readonly limit?: number;
}

/**
 * Reads the documents of a range in `_id` order. The range is given as bounds of the index, for which
 * all values of all types are in one order, by the collection's collation: `{_id: {$gte: x}}` would
 * find values of x's type alone. Clustered collections take the same (tried with 6.0.5).
 */
export async function* readInOrder(
  { db, collection }: Side,
  { from, to }: IdRange,
  { signal, batchSize, limit }: ReadOptions,
): AsyncGenerator<RawBatch> {
  const shared = { find: collection, batchSize, readConcern: { level: 'majority' } };
  if (from?.type !== BSONType.maxKey) {
    await using cursor = await RawCursor.open(
      db,
      {
        ...shared,
        hint: { _id: 1 },
        sort: { _id: 1 },
        ...(limit !== undefined && { limit }),
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
 * documents or not. An empty collection is one empty range. Each range is a query of its own: the
 * caller may take as long as it likes, and no cursor can time out. The next range is on its way
 * meanwhile.
 */
export async function* readRanges(
  side: Side,
  from: RawValue | undefined,
  options: ReadOptions,
): AsyncGenerator<ReadRange> {
  let range = await readRange(side, from, options);
  for (;;) {
    const { to } = range;
    const following = to && readRange(side, to, options);
    // It is awaited below, unless the caller gives up.
    following?.catch(() => undefined);
    yield range;
    if (!following) return;
    range = await following;
  }
}

/** Reads a range of at most so many documents; the one after them is where the next range begins. */
async function readRange(
  side: Side,
  from: RawValue | undefined,
  options: ReadOptions,
): Promise<ReadRange> {
  const documents: Buffer[] = [];
  let to: RawValue | undefined;
  const limit = options.batchSize + 1;
  for await (const batch of readInOrder(side, { from }, { ...options, batchSize: limit, limit })) {
    documents.push(...batch.documents);
    const [first, last] = [documents[0], documents.at(-1)].map((one) => one && idOf(one));
    // The same `_id` twice, as shards may have it, must not be a range that leads to itself.
    if (last && first?.key !== last.key) {
      to = last;
      break;
    }
  }
  return { from, to, documents: to ? documents.slice(0, -1) : documents };
}
