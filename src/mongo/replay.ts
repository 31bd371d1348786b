import type { Db, Timestamp } from 'mongodb';
import { bufferName } from '../names.js';
import { decodeBundle, keysBetween } from './bundle.js';
import { chunks, idLimits } from './chunks.js';
import {
  deleteExactly,
  type ExactDocument,
  type FencedTarget,
  writeExactly,
} from './exact-write.js';
import { mergeRange } from './merge.js';
import type { BufferedChange, Range } from './range.js';
import { asBuffer, fields, idOf, RawValue, runCommand } from './raw.js';
import { majorityAfter, RawCursor } from './raw-cursor.js';
import type { Refusal } from './refusal.js';
import type { Refusals } from './refusals.js';
import { sortRoughly } from './rough-order.js';
import { tokenTime } from './token.js';

/** Changes per query when documents are fetched for the worker to write; of their bundles a server reads a whole stretch. */
const FETCH = { items: 5_000, bytes: 64 * 1024 * 1024 } as const;
/** Of documents that are held to be tried again. */
const RETRY_BYTES = 16 * 1024 * 1024;

export interface ReplayTarget extends FencedTarget {
  readonly source: Db;
  readonly sourceCollection: string;
  /** A capped collection keeps an order. */
  readonly capped: boolean;
  /** Where documents are kept in mind that the target does not take. */
  readonly refusals: Refusals;
}

/**
 * Applies a range of the buffer, durable by majority on return. A second run of the same range
 * changes nothing: deletes come first, then the last document per `_id`.
 *
 * Deletes first is right for any order in the range: an `_id` whose last event is a delete is gone,
 * one that was deleted and inserted again is written after. It is also what makes an `_id` that
 * changed its bytes but not its value (5 to 5.0) arrive with the new bytes.
 * @returns whether it did; not one that is sieved and in which the server does not take something, of which the worker
 * does not know what to write in its place: it is to be read and applied again without a sieve
 * @throws FencedError when another attempt has taken over.
 */
export async function applyRange(target: ReplayTarget, range: Range): Promise<boolean> {
  const last = new Map<string, BufferedChange>();
  const deleted = new Set<string>();
  /** Whether one merge of the whole range would insert what is deleted, or what is inserted again too early. */
  let hasDeleted = false;
  for (const change of range.changes) {
    const { key, was } = change;
    if (change.code === 'd') deleted.add(key);
    if (was !== undefined && target.capped) {
      moveKey(last, was, key);
    } else if (was !== undefined) {
      // Some equal bytes cannot be written over others: letter case under a collation.
      deleted.add(was);
      last.delete(was);
    }
    // In a capped collection a document stands where its first change since its last delete does.
    const before = last.get(key)?.code;
    const isAgain = change.code !== 'd' && before === 'd';
    hasDeleted ||= isAgain || (change.code === 'd' && before !== undefined && before !== 'd');
    if (!target.capped || isAgain) last.delete(key);
    last.set(key, change);
  }
  // What a capped collection has no room for any more goes first: nothing else has to make room then.
  const gone = target.capped
    ? [...deleted]
    : sortRoughly([...deleted], (key) => RawValue.ofKey(key));
  for (const part of chunks(gone, ({ length }) => length, idLimits)) {
    const ids = part.map((key) => RawValue.ofKey(key));
    await deleteExactly(target, ids);
  }
  const written = [...last.values()].filter(({ code }) => code !== 'd');
  // What two write one after the other is not in order.
  const inOrder = target.capped && (hasDeleted || written.some(({ code }) => code !== 'u'));
  const exactOnly = target.exactOnly || inOrder;
  const isForServer = !exactOnly && range.hasDocuments;
  const isMerged = isForServer && (await mergeRange(target, range));
  if (isForServer && !isMerged && range.isSieved) return false;
  const byWorker = isMerged ? written.filter(({ code }) => code !== 'u') : written;
  const refused: Refusal[] = [];
  for (const part of chunks(byWorker, ({ size }) => size, FETCH)) {
    refused.push(...(await writeByWorker(target, part, tokenTime(range.end))));
  }
  await target.refusals.settle(refused, [...gone, ...written.map(({ key }) => key)]);
  return true;
}

/** Gives an entry another key at its place. */
function moveKey<T>(map: Map<string, T>, from: string, to: string): void {
  if (!map.has(from) || from === to) return;
  const entries = [...map].filter(([key]) => key !== to);
  map.clear();
  for (const [key, value] of entries) map.set(key === from ? to : key, value);
}

async function writeByWorker(
  target: ReplayTarget,
  changes: readonly BufferedChange[],
  after: Timestamp,
): Promise<Refusal[]> {
  const buffered = changes.filter(({ code }) => code !== 'r');
  const byId = new Map<string, ExactDocument>();
  // A key holds the document's: as long as that may be.
  for (const part of chunks(buffered, ({ bundle }) => bundle.key.length, idLimits)) {
    for (const document of await fetchBuffered(target, part)) byId.set(document.id.key, document);
  }
  const ready: ExactDocument[] = [];
  const refused: Refusal[] = [];
  const inOrder = target.capped ? changes : sortRoughly(changes, ({ id }) => id);
  for (const { key, id } of inOrder) {
    const document = byId.get(key);
    if (document) {
      ready.push(document);
      continue;
    }
    refused.push(...(await writeExactly(target, ready.splice(0))));
    const current = await readFromSource(target, id, after);
    const present = current && toExact(current);
    // Gone by now: its delete follows in the stream.
    if (!present || (present.id.key !== key && !target.capped)) await deleteExactly(target, [id]);
    if (present) refused.push(...(await writeExactly(target, [present])));
  }
  return [...refused, ...(await writeExactly(target, ready))];
}

async function fetchBuffered(
  { db, collection, signal }: ReplayTarget,
  changes: readonly BufferedChange[],
): Promise<ExactDocument[]> {
  if (changes.length === 0) return [];
  const documents: ExactDocument[] = [];
  const wanted = new Map<string, BufferedChange[]>();
  for (const change of changes) {
    const { key } = change.bundle;
    const its = wanted.get(key);
    if (its) its.push(change);
    else wanted.set(key, [change]);
  }
  const keys = [...wanted.keys()].toSorted();
  // For a list alone a server reads all of a clustered collection (6.0.5).
  const bounds = { $gte: keys[0], $lte: keys.at(-1) };
  await using found = await RawCursor.open(
    db,
    {
      find: bufferName(collection),
      filter: { _id: { $in: keys, ...bounds } },
      sort: { _id: 1 },
    },
    { signal },
  );
  for await (const batch of found) {
    for (const document of batch.documents) {
      const [bundle, encoded] = decodeBundle(document);
      for (const { id, index } of wanted.get(bundle.key) ?? []) {
        const change = encoded[index];
        const body = change && fields(change).get('d');
        if (body) documents.push({ id, document: Buffer.from(asBuffer(body.bytes)) });
      }
    }
  }
  if (documents.length !== changes.length) {
    throw new Error(
      `${bufferName(collection)} at the target has lost ${changes.length - documents.length} changes`,
    );
  }
  return documents;
}

function toExact(document: Buffer): ExactDocument {
  return { id: idOf(document), document };
}

/**
 * The document of this `_id` or one that is equal to it, not as it was before a time: a member that has just
 * become primary may know less by majority than the one before it, and what it lacks would count as deleted.
 */
async function readFromSource(
  { source, sourceCollection, signal }: ReplayTarget,
  id: RawValue,
  after: Timestamp | undefined,
): Promise<Buffer | undefined> {
  await using found = await RawCursor.open(
    source,
    { find: sourceCollection, filter: { _id: id }, limit: 1, readConcern: majorityAfter(after) },
    { signal },
  );
  const { documents } = await found.next();
  return documents[0];
}

/**
 * Tries the documents again that the target did not take: an index that refused them may be gone, or they
 * themselves, as the oldest of a capped collection are without a word in the stream.
 * @param after up to which time the source's changes are captured.
 */
export async function retryRefused(
  target: ReplayTarget,
  after: Timestamp | undefined,
): Promise<void> {
  for await (const ids of target.refusals.all()) {
    const refused: Refusal[] = [];
    const documents: ExactDocument[] = [];
    let bytes = 0;
    for (const id of ids) {
      const document = await readFromSource(target, id, after);
      if (!document) continue;
      documents.push(toExact(document));
      bytes += document.length;
      if (bytes < RETRY_BYTES) continue;
      refused.push(...(await writeExactly(target, documents.splice(0))));
      bytes = 0;
    }
    refused.push(...(await writeExactly(target, documents)));
    const keys = ids.map(({ key }) => key);
    await target.refusals.settle(refused, keys);
  }
}

/**
 * Removes applied changes from the buffer, after `from` and up to `through`. Late or repeated, it removes only
 * what is applied. A server keeps what was removed for five minutes, and a search from the beginning would go
 * through all of it each time.
 */
export async function pruneBuffer(
  db: Db,
  collection: string,
  from: string,
  through: string,
): Promise<void> {
  await runCommand(db, {
    delete: bufferName(collection),
    deletes: [{ q: { _id: keysBetween(from, through) }, limit: 0 }],
  });
}
