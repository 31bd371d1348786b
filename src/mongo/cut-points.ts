import { type Db, type Document, Int32 } from 'mongodb';
import { errorCode } from './catalogue.js';
import { cutPointText } from './portable-id.js';
import { idOf, type RawValue } from './raw.js';
import { RawCursor } from './raw-cursor.js';

/** `$sample` jumps to random documents below 5 % of the collection, and sorts all of it above. */
const SAMPLE_SHARE = 0.04;
/** Where a cut falls on an `_id` that cannot be written down, one of the next may do. */
const CANDIDATES = 20;
/** Sampled `_id`s per partition: their sizes then vary by about a fifth (1 / sqrt 30). */
const PER_PARTITION = 30;
/** Each is one random read at the server. */
const MOST_SAMPLES = 10_000;
/** For all of them, in ms. */
const SAMPLE_MS = 30 * 60_000;
/** "could not find a non-duplicate document": the random cursor gave up, as it may on small data. */
const SAMPLE_FAILED = 28799;

/** Where to cut: the first part has `first` documents, each other one `size`; there are `most` cuts at most. */
export interface Cuts {
  readonly size: number;
  readonly first: number;
  readonly most: number;
}

/** What a walk hears, and tells. */
export interface Walk {
  readonly signal?: AbortSignal | undefined;
  /** Called when it has moved. */
  readonly touch?: () => void;
}

/**
 * Finds cut points between parts of exactly these numbers of documents, by jumps along the index
 * of `_id`: 3.8 million entries a second (6.0.5, in cache), and no document is read but at the cuts.
 * Not through mongos, which would fetch every entry that is jumped over.
 */
export async function walkToCutPoints(
  db: Db,
  collection: string,
  { size, first, most }: Cuts,
  { signal, touch }: Walk = {},
): Promise<string[]> {
  const find = { find: collection, hint: { _id: 1 }, projection: { _id: 1 }, singleBatch: true };
  const points: string[] = [];
  let [from] = await readIds(db, { ...find, limit: 1 }, signal);
  let skip = first;
  while (from && points.length < most) {
    // `min` knows all types, and text as the collection orders it.
    const jump = { min: { _id: from }, skip, limit: CANDIDATES };
    const ids = await readIds(db, { ...find, ...jump }, signal);
    touch?.();
    const cut = ids.find((id) => cutPointText(id) !== undefined);
    const text = cut && cutPointText(cut);
    if (text !== undefined) points.push(text);
    // On from the very cut: each is then beyond the one before, whatever is inserted meanwhile.
    from = cut ?? ids.at(-1);
    skip = size;
  }
  return points;
}

/**
 * Reads `_id`s from all over a collection, in the server's order, each value once. Both come from
 * the server: only it knows the order across types and under the collection's collation.
 */
export async function sampleIds(
  db: Db,
  collection: string,
  documents: number,
  partitions: number,
  { signal, touch }: Walk = {},
): Promise<RawValue[]> {
  const wanted = Math.min(PER_PARTITION * partitions, MOST_SAMPLES);
  const size = Math.min(wanted, Math.floor(documents * SAMPLE_SHARE));
  if (size < 1) return [];
  const pipeline = [
    { $sample: { size: new Int32(size) } },
    { $group: { _id: '$_id' } },
    { $sort: { _id: 1 } },
  ];
  const command = { aggregate: collection, pipeline, cursor: {}, maxTimeMS: SAMPLE_MS };
  const until = Date.now() + SAMPLE_MS;
  // A server says nothing until it has read them all, from a slow disk.
  const alive = setInterval(() => Date.now() < until && touch?.(), 10_000);
  try {
    return await readIds(db, command, signal);
  } catch (error) {
    if (errorCode(error) === SAMPLE_FAILED) return [];
    throw error;
  } finally {
    clearInterval(alive);
  }
}

/** Cuts sorted `_id`s into parts of about the same number, at values that can be written down. */
export function chooseCutPoints(ids: readonly RawValue[], partitions: number): string[] {
  const points: string[] = [];
  let last = 0;
  for (let cut = 1; cut < partitions; cut++) {
    const end = Math.floor(((cut + 1) * ids.length) / partitions);
    // The first value that will do, on from where an even cut would be.
    for (let at = Math.max(last + 1, Math.floor((cut * ids.length) / partitions)); at < end; at++) {
      const id = ids[at];
      const text = id && cutPointText(id);
      if (text === undefined) continue;
      points.push(text);
      last = at;
      break;
    }
  }
  return points;
}

async function readIds(
  db: Db,
  command: Document,
  signal: AbortSignal | undefined,
): Promise<RawValue[]> {
  await using cursor = await RawCursor.open(db, command, { signal });
  const ids: RawValue[] = [];
  for await (const batch of cursor) ids.push(...batch.documents.map(idOf));
  return ids;
}
