import { isUtf8 } from 'node:buffer';
import { BSON, type ClientSession, type Db, type Document } from 'mongodb';
import { chunks, idLimits } from './chunks.js';
import type { Control } from './control.js';
import { deleteInParts, deleteStatements } from './deletes.js';
import { hasDoubledName } from './doubled-names.js';
import { isRefusal, type Refusal, refusalIn, RefusedError, type WriteError } from './refusal.js';
import {
  type CommandOptions,
  hasDollarName,
  hasEmptyTimestamp,
  hasInnerDollarName,
  isEmptyTimestamp,
  RawValue,
  runWithDocuments,
  walk,
} from './raw.js';
import { inTransaction, isEnded } from './transaction.js';

const DOCUMENTS_PER_TRANSACTION = 1_000;
/** Documents at a time once it is known that one of them is not taken. */
const FEW_DOCUMENTS = 16;
const DUPLICATE_KEY = 11000;
/** What servers before 5.0 say to a delete in a capped collection. */
const CAPPED_KEEPS: readonly number[] = [20, 10101];
const BYTES_PER_TRANSACTION = 16 * 1024 * 1024;
/** It begins each document. */
const LENGTH_BYTES = 4;
/** Of a statement's `_id` and document. A server takes 16 KB more than 16 MB, where what is around them finds room. */
const MOST_STATEMENT_BYTES = 16 * 1024 * 1024 + 15 * 1024;

/** Where documents are written exactly, and by which right. */
export interface ExactTarget {
  readonly db: Db;
  readonly collection: string;
  /** First statement of a transaction: ties its writes to the right to write. Throws FencedError without it. */
  readonly fence: (session: ClientSession) => Promise<void>;
  /**
   * The worker writes every document itself: for a collection whose `_id`s compare under a
   * collation, which `$merge` and the buffer's own order do not share. The target may hold an equal `_id` of other
   * bytes there, newer than the change, over which a server writes nothing (ImmutableField).
   */
  readonly exactOnly: boolean;
  /** Capped collections take no transactions: there the right is only looked at before a write. */
  readonly capped: boolean;
  /** That look. */
  readonly check: () => Promise<void>;
  /** It is clustered: see `deleteStatements`. */
  readonly clustered?: boolean | undefined;
  readonly session: ClientSession;
  readonly signal: AbortSignal;
  /** Called when the work has moved. */
  readonly touch: () => void;
}

/** Where and by which epoch a replay writes. */
export interface FencedTarget extends ExactTarget {
  readonly control: Control;
  readonly epoch: number;
}

/** One command of a transaction. */
interface Step {
  readonly command: Document;
  readonly field: 'documents' | 'updates' | 'deletes';
  readonly list: readonly Uint8Array[];
  /** Whether it is all the same that a server does not delete in capped collections. */
  readonly mayKeep?: boolean;
}

/** A document and its `_id`. */
export interface ExactDocument {
  readonly id: RawValue;
  readonly document: Buffer;
}

/**
 * The update that makes a document exactly these bytes, whether it is there or not. A replacement where it
 * can be one; else a pipeline with a literal, because a replacement would read `$`-prefixed names as
 * operators, and both an insert and a replacement would turn a top-level `Timestamp(0, 0)` into the
 * current time. Over a document of which either form has a name twice, a pipeline makes a 6.0.5 server
 * abort: `deleteStatement` has to come first.
 * @throws RefusedError when the statement, which has the `_id` twice, would be larger than a server takes: only an insert
 * writes the document then.
 */
export function exactUpdate({ id, document }: ExactDocument): Uint8Array {
  if (isTooLongToUpdate({ id, document })) {
    throw new RefusedError('the document and its _id are together larger than an update may be');
  }
  const bytes = RawValue.document(document);
  const u = needsPipeline(document) ? [{ $replaceWith: { $literal: bytes } }] : bytes;
  return BSON.serialize({ q: { _id: id }, u, upsert: true });
}

/** The replacement after which `timestampUpdate` makes a document exactly these bytes. */
function replacement({ id, document }: ExactDocument): Uint8Array {
  return BSON.serialize({ q: { _id: id }, u: RawValue.document(document), upsert: true });
}

/**
 * The update that gives a document that was inserted or replaced its empty timestamps back, which the server
 * has turned into the current time. It names single fields: a server before 5.0 looks at no others then. And
 * the oplog has these fields only, not the document: of a document that an update has replaced, other
 * members, and a server that recovers from a crash, turn empty timestamps into their own current time.
 */
export function timestampUpdate({ id, document }: ExactDocument): Uint8Array {
  const empty: Buffer[] = [];
  walk(document, 0, (type, nameStart, _nameEnd, valueStart, valueEnd) => {
    const value = new RawValue(type, document.subarray(valueStart, valueEnd));
    if (isEmptyTimestamp(value)) empty.push(document.subarray(nameStart - 1, valueEnd));
  });
  // Byte by byte: bson takes an object with the name `_bsontype` for something else.
  const set = Buffer.concat([Buffer.alloc(LENGTH_BYTES), ...empty, Buffer.alloc(1)]);
  set.writeInt32LE(set.length);
  return BSON.serialize({ q: { _id: id }, u: { $set: RawValue.document(set) } });
}

/** Whether an insert, followed by `timestampUpdate`, writes the document exactly. */
export function isInsertable({ document }: Pick<ExactDocument, 'document'>): boolean {
  const names: Buffer[] = [];
  const empty: Buffer[] = [];
  walk(document, 0, (type, nameStart, nameEnd, valueStart, valueEnd) => {
    const name = document.subarray(nameStart, nameEnd);
    names.push(name);
    const value = new RawValue(type, document.subarray(valueStart, valueEnd));
    if (isEmptyTimestamp(value)) empty.push(name);
  });
  // Others cannot be named in an update, or it would name the first of several.
  return empty.every(
    (name) =>
      isUtf8(name) &&
      /^[^$.][^.]*$/s.test(name.toString()) &&
      names.filter((other) => other.equals(name)).length === 1,
  );
}

/** Whether an insert or a replacement, followed by `timestampUpdate`, writes the document exactly, and has to. */
export function isReplaceable(document: Buffer): boolean {
  if (!hasEmptyTimestamp(document) || !isInsertable({ document })) return false;
  return !hasDollarName(document) && !hasDoubledName(document);
}

function isTooLongToUpdate({ id, document }: ExactDocument): boolean {
  return id.bytes.length + document.length > MOST_STATEMENT_BYTES;
}

/** Whether `exactUpdate` writes the document by a pipeline. */
function needsPipeline(document: Buffer): boolean {
  return hasDollarName(document) || hasEmptyTimestamp(document);
}

/**
 * Writes documents as they are, in transactions that hold only while the right is ours.
 * @returns those that the server does not take; the others are written.
 */
export async function writeExactly(
  target: ExactTarget,
  documents: readonly ExactDocument[],
): Promise<Refusal[]> {
  return writeParts(target, documents, DOCUMENTS_PER_TRANSACTION);
}

/** Writes fewer and fewer at a time, until it is known which of them the server does not take. */
async function writePart(
  target: ExactTarget,
  documents: readonly ExactDocument[],
): Promise<Refusal[]> {
  const [first] = documents;
  if (!first) return [];
  target.touch();
  let why: string | undefined;
  try {
    const isLong = (one: ExactDocument) => isTooLongToUpdate(one) && isInsertable(one);
    const long = target.capped ? [] : documents.filter(isLong);
    why = await tryWrite(target, documents, long);
  } catch (error) {
    if (!isEnded(error) || documents.length === 1) throw error;
    // Fewer at once are through in time.
    return writeParts(target, documents, Math.ceil(documents.length / 8));
  }
  if (why === undefined) return [];
  // In a capped collection what is written in another way comes out of order.
  const single = documents.length === 1;
  const inserted = single ? documents : target.capped ? [] : documents.filter(hasInnerNames);
  const mayInsert = inserted.length > 0 && inserted.every(isInsertable);
  if (mayInsert && (await tryWrite(target, documents, inserted)) === undefined) return [];
  if (single) return [{ id: first.id, why }];
  // There each write is waited for by itself, too: so halves, which keep the order.
  const few = documents.length <= FEW_DOCUMENTS ? 1 : FEW_DOCUMENTS;
  return writeParts(target, documents, target.capped ? Math.ceil(documents.length / 2) : few);
}

async function writeParts(
  target: ExactTarget,
  documents: readonly ExactDocument[],
  items: number,
): Promise<Refusal[]> {
  const limits = { items, bytes: BYTES_PER_TRANSACTION };
  const refused: Refusal[] = [];
  for (const part of chunks(documents, ({ document }) => document.length, limits)) {
    refused.push(...(await writePart(target, part)));
  }
  return refused;
}

/** @returns what the server says, if it does not take one of the documents; see `writeSteps`. */
async function tryWrite(
  target: ExactTarget,
  documents: readonly ExactDocument[],
  inserts: readonly ExactDocument[],
): Promise<string | undefined> {
  try {
    await inFencedTransaction(target, writeSteps(target, documents, inserts));
    return undefined;
  } catch (error) {
    const why = refusalIn(error);
    if (why === undefined) throw error;
    return why;
  }
}

function hasInnerNames({ document }: ExactDocument): boolean {
  return hasInnerDollarName(document);
}

/**
 * The statements that write documents by updates, and those of `inserted` by a delete and an insert. Servers
 * before 5.0 look at the names within a document when it is updated, not when it is inserted.
 */
function writeSteps(
  target: ExactTarget,
  documents: readonly ExactDocument[],
  inserts: readonly ExactDocument[],
): Step[] {
  const { collection, capped, exactOnly } = target;
  const updates = documents.filter((one) => !inserts.includes(one));
  // Nobody knows here whether the target's document has a name twice. In a capped collection a delete
  // costs the natural order, and is done only where the new document has one.
  const stale = updates.filter(({ document }) =>
    capped
      ? needsPipeline(document) && hasDoubledName(document)
      : exactOnly || needsPipeline(document),
  );
  const gone = [...stale, ...(capped ? [] : inserts)].map(({ id }) => id);
  // Others are not there any more when their pipeline comes, which then inserts them as they are.
  const replaced = capped ? updates.filter(({ document }) => isReplaceable(document)) : [];
  const altered = [...replaced, ...inserts.filter(({ document }) => hasEmptyTimestamp(document))];
  const steps: Step[] = [
    ...[...chunks(gone, ({ bytes }) => bytes.length, idLimits)].map((ids) => deletion(target, ids)),
    {
      command: { update: collection },
      field: 'updates',
      list: updates.map((one) => (replaced.includes(one) ? replacement(one) : exactUpdate(one))),
    },
    {
      command: { insert: collection },
      field: 'documents',
      list: inserts.map(({ document }) => document),
    },
    {
      command: { update: collection },
      field: 'updates',
      list: altered.map(timestampUpdate),
    },
  ];
  return steps.filter(({ list }) => list.length > 0);
}

/** Deletes documents by `_id`, in transactions that hold only while the right is ours. */
export async function deleteExactly(target: ExactTarget, ids: readonly RawValue[]): Promise<void> {
  await deleteInParts(ids, target, (part) =>
    inFencedTransaction(target, [{ ...deletion(target, part), mayKeep: true }]),
  );
}

function deletion({ collection, clustered }: ExactTarget, ids: readonly RawValue[]): Step {
  const list = deleteStatements(ids, clustered);
  return { command: { delete: collection }, field: 'deletes', list };
}

async function inFencedTransaction(
  { db, fence, capped, check, session, signal }: ExactTarget,
  steps: readonly Step[],
): Promise<void> {
  const run = async (options: CommandOptions, concern: Document = {}): Promise<void> => {
    for (const { command, field, list, mayKeep } of steps) {
      const reply = await runWithDocuments(db, { ...command, ...concern }, field, list, options);
      const [first] = (reply['writeErrors'] ?? []) as WriteError[];
      if (!first) continue;
      // Before 5.0 what is in a capped collection goes by age alone.
      const isKept = capped && field === 'deletes' && CAPPED_KEEPS.includes(first.code);
      if (isKept && mayKeep) continue;
      // An insert where the document is there already is no way to write it.
      const isTaken = field === 'documents' && first.code === DUPLICATE_KEY;
      if (isTaken || isKept || isRefusal(first)) throw new RefusedError(first.errmsg);
      throw new Error(`${field} at the target: ${first.errmsg} (${first.code})`);
    }
  };
  if (capped) {
    await check();
    await run({ signal }, { writeConcern: { w: 'majority' } });
    return;
  }
  await inTransaction(session, async () => {
    await fence(session);
    await run({ session, signal });
  });
}
