import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientSession, Db, Document, Timestamp, UUID } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import { splitByMessage } from './buffer.js';
import { hasDoubledName } from './doubled-names.js';
import {
  type ExactDocument,
  exactUpdate,
  isInsertable,
  isReplaceable,
  timestampUpdate,
  writeExactly,
} from './exact-write.js';
import { type ReadLimits, ReadPace } from './pace.js';
import { hasEmptyTimestamp, idOf, runWithDocuments } from './raw.js';
import { type Refusal, sendSieved, type WriteError } from './refusal.js';
import { majorityAfter, RawCursor } from './raw-cursor.js';

const UUID_MISMATCH = 361;
/** Inserts under way at a time: hides the wait for majority. */
const MAX_IN_FLIGHT = 3;
/** Documents per reply: fewer than have room in it keep the source's share of the work even. */
const BATCH_DOCUMENTS = 10_000;
/** Bytes per reply, about: each insert under way takes three times as many of the worker's memory. */
const BATCH_BYTES = 8 * 1024 * 1024;

/** Where documents are inserted. */
export interface InsertOptions {
  readonly target: Db;
  readonly targetCollection: string;
  /** UUID of the target collection where the server can check it (6.0+): fences late inserts. */
  readonly targetUuid: UUID | undefined;
  /**
   * Keep the natural order: one insert at a time. It is a capped collection that was empty before, from which nothing can
   * be deleted before 5.0.
   */
  readonly ordered: boolean;
  /** It is clustered: see `deleteStatements`. */
  readonly clustered?: boolean | undefined;
  /** First statement of a transaction: ties its writes to this attempt. */
  readonly fence: (session: ClientSession) => Promise<void>;
  readonly signal: AbortSignal;
  /** Called when the work has moved. */
  readonly touch: () => void;
}

export interface DirectCopyOptions extends InsertOptions {
  readonly source: Db;
  readonly sourceCollection: string;
  /** Which documents; everything if empty. */
  readonly filter: Document;
  /** The source as it is then or later: what has changed before it is not in the stream. */
  readonly after?: Timestamp;
  /** Totals of this call so far. */
  readonly onProgress: (copied: { documents: number; bytes: number }) => void;
  /** How fast it may read; looked at again and again. */
  readonly limits?: ReadLimits;
  /** Told of documents that the target does not take, before they count as read. */
  readonly onRefused: (refused: readonly Refusal[]) => Promise<void>;
}

/**
 * Streams documents as raw batches from server to server. Documents that are there already are left
 * as they are: the replay that follows brings each to its last state.
 * @returns documents and bytes read.
 */
export async function copyDirectly(
  options: DirectCopyOptions,
): Promise<{ documents: number; bytes: number }> {
  const { source, sourceCollection, filter, after, ordered, signal, limits = {}, touch } = options;
  const copied = { documents: 0, bytes: 0 };
  const failed = new AbortController();
  const inserts = new Set<Promise<void>>();
  const limit = ordered ? 1 : MAX_IN_FLIGHT;
  const ended = AbortSignal.any([signal, failed.signal]);
  const pace = new ReadPace(limits, {
    wait: async (ms) => {
      touch();
      await sleep(ms, undefined, { signal: ended });
    },
  });
  const batchSize = () => Math.min(pace.batchSize(BATCH_DOCUMENTS), pace.fitting(BATCH_BYTES));
  await using found = await RawCursor.open(
    source,
    {
      find: sourceCollection,
      filter,
      batchSize: batchSize(),
      noCursorTimeout: true,
      readConcern: majorityAfter(after),
    },
    {
      signal: ended,
      get batchSize() {
        return batchSize();
      },
    },
  );
  try {
    for await (const batch of found) {
      touch();
      const insert = insertDocuments(options, batch.documents)
        .then(async (refused) => {
          if (refused.length > 0) await options.onRefused(refused);
          copied.documents += batch.documents.length;
          copied.bytes += batch.bytes;
          options.onProgress(copied);
        })
        .catch((error: unknown) => failed.abort(error))
        .finally(() => inserts.delete(insert));
      inserts.add(insert);
      await pace.spend({ documents: batch.documents.length, bytes: batch.bytes });
      while (inserts.size >= limit) await Promise.race(inserts);
      failed.signal.throwIfAborted();
    }
    await Promise.all(inserts);
    failed.signal.throwIfAborted();
    return copied;
  } catch (error) {
    await Promise.allSettled(inserts);
    throw failed.signal.aborted ? failed.signal.reason : error;
  }
}

/**
 * Inserts documents by majority; those that are there already are left as they are.
 * @returns those that the server does not take.
 */
export async function insertDocuments(
  options: InsertOptions,
  documents: readonly Buffer[],
): Promise<Refusal[]> {
  const refused: Refusal[] = [];
  for (const [altered, some] of options.ordered ? runs(documents) : halves(documents)) {
    if (altered && options.ordered) refused.push(...(await updateExactly(options, once(some))));
    else if (altered) refused.push(...(await writeEmptyTimestamps(options, some)));
    else refused.push(...(await insertPlain(options, some)));
  }
  return refused;
}

/** Splits documents into those with an empty timestamp, which an insert alters, and the others. */
function halves(documents: readonly Buffer[]): [boolean, Buffer[]][] {
  const [plain, altered]: [Buffer[], Buffer[]] = [[], []];
  for (const document of documents) (hasEmptyTimestamp(document) ? altered : plain).push(document);
  return [
    [false, plain],
    [true, altered],
  ];
}

/**
 * The same without changing the order, where an end of a run is a wait for majority: what an update puts right
 * after an insert stays with the others.
 */
function runs(documents: readonly Buffer[]): [boolean, Buffer[]][] {
  const found: [boolean, Buffer[]][] = [];
  for (const document of documents) {
    const isAltered = hasEmptyTimestamp(document) && !isReplaceable(document);
    const last = found.at(-1);
    if (last?.[0] === isAltered) last[1].push(document);
    else found.push([isAltered, [document]]);
  }
  return found;
}

async function insertPlain(
  options: InsertOptions,
  documents: readonly Buffer[],
): Promise<Refusal[]> {
  const refused: Refusal[] = [];
  for (const part of splitByMessage(documents)) {
    const found = await sendInserts(options, part);
    // Names like $ref at the top are taken before 5.0 by an update, and not by an insert. Where the order counts,
    // that comes too late.
    if (!options.ordered) {
      refused.push(...(await updateExactly(options, [...found.keys()])));
      continue;
    }
    const altered = part.filter((one) => !found.has(one) && hasEmptyTimestamp(one));
    const still = await sendUpdates(options, altered, timestampUpdate);
    for (const [one, why] of [...found, ...still]) refused.push({ id: idOf(one), why });
  }
  return refused;
}

function sendInserts(
  options: InsertOptions,
  documents: readonly Buffer[],
): Promise<Map<Buffer, string>> {
  const { ordered, targetCollection } = options;
  return sendSieved(documents, {
    send: (some) => write(options, { insert: targetCollection, ordered }, 'documents', some),
    ordered,
    fail: (error) => fail(options, error),
  });
}

/** A dump has a document twice that was deleted and inserted again meanwhile. */
function once(documents: readonly Buffer[]): readonly Buffer[] {
  return [...new Map(documents.map((document) => [idOf(document).key, document])).values()];
}

/**
 * Writes documents whose `Timestamp(0, 0)` an insert would turn into the current time, in any order.
 * @returns those that the server does not take.
 */
async function writeEmptyTimestamps(
  options: InsertOptions,
  documents: readonly Buffer[],
): Promise<Refusal[]> {
  const isNamed = (document: Buffer) => !hasDoubledName(document) && isInsertable({ document });
  const named = documents.filter(isNamed);
  // A late insert of an attempt that was cut off is right after this; the update of all of the document would not bring it
  // to other members as it is (see `timestampUpdate`).
  for (const part of splitByMessage(named)) await sendUpdates(options, part, timestampUpdate);
  const refused = new Map((await updateExactly(options, named)).map((one) => [one.id.key, one]));
  // Names within a document, which an update may not have before 5.0 and an insert may.
  const inserted = named.filter((one) => refused.has(idOf(one).key));
  for (const part of splitByMessage(inserted)) {
    const found = await sendInserts(options, part);
    const there = part.filter((document) => !found.has(document));
    const still = await sendUpdates(options, there, timestampUpdate);
    for (const document of there) if (!still.has(document)) refused.delete(idOf(document).key);
  }
  const others = documents.filter((document) => !isNamed(document));
  return [...refused.values(), ...(await replaceExactly(options, once(others)))];
}

/** Deletes documents, which another way of writing needs to be exact, and writes them anew. */
async function replaceExactly(
  options: InsertOptions,
  documents: readonly Buffer[],
): Promise<Refusal[]> {
  if (documents.length === 0) return [];
  const { target: db, targetCollection: collection } = options;
  await using session = db.client.startSession({ causalConsistency: false });
  const own = { db, collection, exactOnly: true, capped: false, check: async () => undefined };
  const exact = documents.map((document) => ({ id: idOf(document), document }));
  return await writeExactly({ ...options, ...own, session }, exact);
}

/** Writes documents by updates. @returns those that the server does not take. */
async function updateExactly(
  options: InsertOptions,
  documents: readonly Buffer[],
): Promise<Refusal[]> {
  const refused: Refusal[] = [];
  for (const part of splitByMessage(documents)) {
    const found = await sendUpdates(options, part, exactUpdate);
    for (const [document, why] of found) refused.push({ id: idOf(document), why });
  }
  return refused;
}

function sendUpdates(
  options: InsertOptions,
  documents: readonly Buffer[],
  toUpdate: (document: ExactDocument) => Uint8Array,
): Promise<Map<Buffer, string>> {
  const { ordered, targetCollection } = options;
  const command = { update: targetCollection, ordered };
  return sendSieved(documents, {
    send: (some) => {
      const updates = some.map((document) => toUpdate({ id: idOf(document), document }));
      return write(options, command, 'updates', updates);
    },
    ordered,
    fail: (error) => fail(options, error),
  });
}

function write(
  { target, targetUuid, signal }: InsertOptions,
  command: Document,
  field: 'documents' | 'updates',
  part: readonly Uint8Array[],
): Promise<Document> {
  const safely = {
    ...command,
    ...(targetUuid && { collectionUUID: targetUuid }),
    writeConcern: { w: 'majority' },
  };
  return runWithDocuments(target, safely, field, part, { signal });
}

function fail({ target, targetCollection }: InsertOptions, { code, errmsg }: WriteError): never {
  if (code !== UUID_MISMATCH) {
    throw new Error(`copy into ${targetCollection}: ${errmsg} (${code})`);
  }
  throw new PermanentError(
    errorTypes.controlLost,
    `${target.databaseName}.${targetCollection}, which the copy fills, was dropped or replaced ` +
      'while the migration ran; start the migration again',
  );
}
