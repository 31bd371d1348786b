import { BSON, type Db, type Document, type Timestamp } from 'mongodb';
import { chunks, idLimits } from './chunks.js';
import { findByIds, limitsOf } from './find-by-ids.js';
import { describeFieldDifference, findFieldDifference } from './field-difference.js';
import { Pairing } from './pairing.js';
import { asBuffer, copyOf, hashOf, idOf, type RawValue } from './raw.js';
import { majorityAfter, type RawBatch, RawCursor } from './raw-cursor.js';
import { shorten } from '../shorten.js';

/** One side of a comparison. */
export interface Side {
  readonly db: Db;
  readonly collection: string;
  /** It is clustered: see `Finding`. */
  readonly clustered?: boolean | undefined;
}

export type DifferenceKind = 'differs' | 'missing' | 'extra';

/** A document that is not the same on both sides. */
export interface DocumentDifference {
  readonly id: RawValue;
  /** `missing`: not at the target. `extra`: not at the source. */
  readonly kind: DifferenceKind;
  /** Path of the first field that differs, `items.3.price`, or its beginning. */
  readonly field?: string | undefined;
  /** In what way it differs, in words. */
  readonly what?: string | undefined;
  /** Hashes of the documents, to tell whether they have changed between two looks. */
  readonly sourceHash?: string | undefined;
  readonly targetHash?: string | undefined;
}

/** What a comparison has read so far. */
export interface Compared {
  documents: number;
  bytes: number;
}

/** Differing documents kept per call; more than that is no longer a matter of lag. */
export const MAX_DIFFERENCES = 50_000;
/** Documents of each side that are read at a time. */
export const BATCH_DOCUMENTS = 2_000;
/** Bytes of documents without counterpart that are kept; beyond that only their hashes are. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
const IDS_PER_QUERY = 1_000;
const NOTHING: RawBatch = { documents: [], bytes: 0 };
/** Differences that are shown to people, and therefore explained. */
export const SHOWN_DIFFERENCES = 20;

/** How much of both sides is at hand at a time. */
export interface PairingLimits {
  /** Documents of each side that are read at a time. */
  readonly batchSize?: number;
  /** Bytes of whole documents that wait for their counterparts; of more only hashes are kept. */
  readonly heldBytes?: number;
}

/**
 * Reads both sides in `_id` order and compares documents byte for byte. Each side may be ahead of
 * the other: a document waits until its counterpart comes or both sides end. `onProgress` is called
 * after each step with the totals and with what the step has read, of the side that gave more; the
 * next one waits for it.
 * @returns the documents that were not the same at that moment.
 * `isWhole` is false when there are more than 50,000: those are the first.
 */
export async function compareDocuments(
  source: Side,
  target: Side,
  filter: Document,
  signal: AbortSignal,
  onProgress: (compared: Compared, step: Compared) => void | Promise<void>,
  { batchSize = BATCH_DOCUMENTS, heldBytes = MAX_HELD_BYTES }: PairingLimits = {},
): Promise<{
  compared: Compared;
  differences: readonly DocumentDifference[];
  isWhole: boolean;
}> {
  const compared: Compared = { documents: 0, bytes: 0 };
  const pairing = new Pairing(heldBytes);
  await using left = await openSorted(source, filter, batchSize, signal);
  await using right = await openSorted(target, filter, batchSize, signal);
  while (!left.exhausted || !right.exhausted) {
    const [atSource, atTarget] = pairing.waiting;
    const [isSourceFull, isTargetFull] = [atSource > MAX_DIFFERENCES, atTarget > MAX_DIFFERENCES];
    // Those of the side that is behind, or has come to its end, will find no counterparts any more.
    if ((isSourceFull || left.exhausted) && (isTargetFull || right.exhausted)) break;
    // One that is far ahead waits: replies may be of very different numbers of documents.
    const [fromSource, fromTarget] = await Promise.all([
      isSourceFull && !right.exhausted ? NOTHING : nextOf(left),
      isTargetFull && !left.exhausted ? NOTHING : nextOf(right),
    ]);
    pairing.addAll(fromSource.documents, fromTarget.documents);
    compared.documents += fromSource.documents.length;
    compared.bytes += fromSource.bytes;
    await onProgress(compared, {
      documents: Math.max(fromSource.documents.length, fromTarget.documents.length),
      bytes: Math.max(fromSource.bytes, fromTarget.bytes),
    });
    if (pairing.differences.length > MAX_DIFFERENCES) break;
  }
  const differences = pairing.finish();
  const isWhole = differences.length <= MAX_DIFFERENCES;
  return { compared, differences: differences.slice(0, MAX_DIFFERENCES), isWhole };
}

/** How documents are looked up. */
export interface LookUpOptions {
  /** Called when the work has moved. */
  readonly touch?: (() => void) | undefined;
  /** The source is not read as it was before that: a member that has just become primary may know less by majority. */
  readonly after?: Timestamp | undefined;
}

/**
 * Reads the given documents on both sides, and those whose `_id` is equal, and compares them by hash: as
 * many as wanted, since of each only the hash is kept. What differs in them is for `explainDifferences`
 * to say.
 */
export async function compareIds(
  source: Side,
  target: Side,
  ids: readonly RawValue[],
  signal: AbortSignal,
  { touch, after }: LookUpOptions = {},
): Promise<readonly DocumentDifference[]> {
  const differences: DocumentDifference[] = [];
  const limits = { ...idLimits, items: IDS_PER_QUERY };
  for (const part of chunks(ids, ({ bytes }) => bytes.length, limits)) {
    // A document whose `_id` is equal and has other bytes is one that nobody else may ask for.
    const all = new Map(part.map((id) => [id.key, id]));
    const hashes = async (side: Side, time?: Timestamp) => {
      const found = new Map<string, string>();
      const add = (id: RawValue, document: Buffer) => {
        if (!all.has(id.key)) all.set(id.key, copyOf(id));
        found.set(id.key, hashOf(document));
      };
      await eachById(side, part, signal, add, { after: time, touch });
      return found;
    };
    const [left, right] = await Promise.all([hashes(source, after), hashes(target)]);
    for (const id of all.values()) {
      const [sourceHash, targetHash] = [left.get(id.key), right.get(id.key)];
      if (sourceHash === targetHash) continue;
      const kind = !sourceHash ? 'extra' : !targetHash ? 'missing' : 'differs';
      differences.push({ id, kind, sourceHash, targetHash });
    }
  }
  return differences;
}

/** Reads the first 20 documents that differ once more and says in what field. */
export async function explainDifferences(
  source: Side,
  target: Side,
  differences: readonly DocumentDifference[],
  signal: AbortSignal,
): Promise<readonly DocumentDifference[]> {
  const explained = [...differences];
  for (const [index, difference] of differences.slice(0, SHOWN_DIFFERENCES).entries()) {
    const { id, kind } = difference;
    if (kind !== 'differs') continue;
    const [left, right] = await Promise.all(
      [source, target].map(async (side) => (await readByIds(side, [id], signal)).get(id.key)),
    );
    const found = left && right && findFieldDifference(left, right);
    if (!found) continue;
    explained[index] = {
      ...difference,
      field: shorten(found.path),
      what: describeFieldDifference(found),
    };
  }
  return explained;
}

/** The documents of these `_id`s (same bytes, not merely equal), by the `_id`'s key. */
export async function readByIds(
  side: Side,
  ids: readonly RawValue[],
  signal: AbortSignal,
): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  await eachById(side, ids, signal, ({ key }, document) => found.set(key, document));
  return found;
}

async function eachById(
  { db, collection, clustered }: Side,
  ids: readonly RawValue[],
  signal: AbortSignal,
  onDocument: (id: RawValue, document: Buffer) => void,
  { after, touch }: LookUpOptions = {},
): Promise<void> {
  for (const part of chunks(ids, ({ bytes }) => bytes.length, limitsOf({ clustered }))) {
    const finding = findByIds(collection, part, { clustered });
    const command = { ...finding, readConcern: majorityAfter(after) };
    await using cursor = await RawCursor.open(db, command, { signal });
    for await (const { documents } of cursor) {
      touch?.();
      for (const document of documents) onDocument(idOf(document), document);
    }
    touch?.();
  }
}

/**
 * An `_id` as extended JSON, for people: the short form where it says all, its bytes where none exists; its
 * beginning where it is long.
 */
export function showId(id: RawValue): string {
  return shorten(textOf(id));
}

function textOf(id: RawValue): string {
  try {
    return extendedJson(id);
  } catch {
    // Servers store what bson cannot read: dates beyond JavaScript's, text that is no UTF-8, odd binaries.
    return `BSON type ${id.type}: ${asBuffer(id.bytes).toString('hex')}`;
  }
}

function extendedJson(id: RawValue): string {
  const { EJSON } = BSON;
  const { id: value } = BSON.deserialize(BSON.serialize({ id }), { promoteValues: false });
  const [short, exact] = [true, false].map((relaxed) => EJSON.stringify(value, { relaxed }));
  const reread: unknown = EJSON.parse(short ?? '', { relaxed: false });
  const saysAll = EJSON.stringify(reread, { relaxed: false }) === exact;
  return (saysAll ? short : exact) ?? '';
}

async function openSorted(
  side: Side,
  filter: Document,
  batchSize: number,
  signal: AbortSignal,
): Promise<RawCursor> {
  return RawCursor.open(
    side.db,
    {
      find: side.collection,
      filter,
      sort: { _id: 1 },
      batchSize,
      noCursorTimeout: true,
      readConcern: { level: 'majority' },
    },
    { signal, batchSize },
  );
}

async function nextOf(cursor: RawCursor): Promise<RawBatch> {
  return cursor.exhausted ? NOTHING : cursor.next();
}
