import { BSON, type ClientSession, type Db, type Document } from 'mongodb';
import { chunks, idLimits } from './chunks.js';
import { type Control, FencedError } from './control.js';
import { hasDoubledName } from './doubled-names.js';
import { isRefusal, type Refusal, refusalIn, RefusedError, type WriteError } from './refusal.js';
import {
  type CommandOptions,
  fields,
  hasDollarName,
  hasEmptyTimestamp,
  hasInnerDollarName,
  isEmptyTimestamp,
  RawValue,
  runWithDocuments,
} from './raw.js';

const DOCUMENTS_PER_TRANSACTION = 1_000;
const BYTES_PER_TRANSACTION = 16 * 1024 * 1024;

/** Where and by which right a replay writes. */
export interface FencedTarget {
  readonly db: Db;
  readonly collection: string;
  readonly control: Control;
  readonly epoch: number;
  /** Capped collections take no transactions: there the epoch is only looked at before a write. */
  readonly capped: boolean;
  readonly session: ClientSession;
  readonly signal: AbortSignal;
}

/** One command of a transaction. */
interface Step {
  readonly command: Document;
  readonly field: 'documents' | 'updates' | 'deletes';
  readonly list: readonly Uint8Array[];
  /** What it writes, in the same order. */
  readonly documents?: readonly ExactDocument[];
}

/** A document that the server does not take, of a step. */
class StepError extends RefusedError {
  readonly document: ExactDocument | undefined;

  constructor(message: string, document: ExactDocument | undefined) {
    super(message);
    this.document = document;
  }
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
 */
export function exactUpdate({ id, document }: ExactDocument): Uint8Array {
  const bytes = RawValue.document(document);
  const u = needsPipeline(document) ? [{ $replaceWith: { $literal: bytes } }] : bytes;
  return BSON.serialize({ q: { _id: id }, u, upsert: true });
}

/**
 * The update that gives a document that was inserted its empty timestamps back, which the insert has turned
 * into the current time. It names single fields: a server before 5.0 looks at no others then.
 */
export function timestampUpdate({ id, document }: ExactDocument): Uint8Array {
  const empty = [...fields(document)].filter(([, value]) => isEmptyTimestamp(value));
  return BSON.serialize({ q: { _id: id }, u: { $set: Object.fromEntries(empty) } });
}

/** The statement that deletes documents by `_id`. */
export function deleteStatement(ids: readonly RawValue[]): Uint8Array {
  return BSON.serialize({ q: { _id: { $in: ids } }, limit: 0 });
}

/** Whether `exactUpdate` writes the document by a pipeline. */
function needsPipeline(document: Buffer): boolean {
  return hasDollarName(document) || hasEmptyTimestamp(document);
}

/**
 * Writes documents as they are, in transactions that hold only while the epoch is ours.
 * @returns those that the server does not take; the others are written.
 */
export async function writeExactly(
  target: FencedTarget,
  documents: readonly ExactDocument[],
): Promise<Refusal[]> {
  const limits = { items: DOCUMENTS_PER_TRANSACTION, bytes: BYTES_PER_TRANSACTION };
  const refused: Refusal[] = [];
  for (const part of chunks(documents, ({ document }) => document.length, limits)) {
    refused.push(...(await writePart(target, part)));
  }
  return refused;
}

/** Tries again without each document that the server names, or in another way. */
async function writePart(
  target: FencedTarget,
  documents: readonly ExactDocument[],
): Promise<Refusal[]> {
  const refused: Refusal[] = [];
  const inserted = new Set<ExactDocument>();
  let left = documents;
  while (left.length > 0) {
    const failed = await tryWrite(target, writeSteps(target, left, inserted));
    if (!failed) return refused;
    const { document = left.length === 1 ? left[0] : undefined, why } = failed;
    if (!document) {
      const half = left.length >> 1;
      refused.push(...(await writePart(target, left.slice(0, half))));
      left = left.slice(half);
    } else if (target.capped || inserted.has(document)) {
      refused.push({ id: document.id, why });
      left = left.filter((one) => one !== document);
    } else {
      inserted.add(document);
      // What holds for the names in this one holds for those of the others.
      for (const one of left) if (hasInnerDollarName(one.document)) inserted.add(one);
    }
  }
  return refused;
}

interface Failed {
  readonly why: string;
  /** Missing where the server does not say which it was. */
  readonly document?: ExactDocument | undefined;
}

/** @returns what the server says, if it does not take a document. */
async function tryWrite(target: FencedTarget, steps: readonly Step[]): Promise<Failed | undefined> {
  try {
    await inFencedTransaction(target, steps);
    return undefined;
  } catch (error) {
    const why = refusalIn(error);
    if (why === undefined) throw error;
    return error instanceof StepError ? { why, document: error.document } : { why };
  }
}

/**
 * The statements that write documents by updates, and those of `inserted` by a delete and an insert. Servers
 * before 5.0 look at the names within a document when it is updated, not when it is inserted.
 */
function writeSteps(
  target: FencedTarget,
  documents: readonly ExactDocument[],
  inserted: ReadonlySet<ExactDocument>,
): Step[] {
  const { collection } = target;
  const updates = documents.filter((one) => !inserted.has(one));
  const inserts = documents.filter((one) => inserted.has(one));
  // Nobody knows here whether the target's document has a name twice. In a capped collection a delete
  // costs the natural order, and is done only where the new document has one.
  const stale = updates.filter(
    ({ document }) => needsPipeline(document) && (!target.capped || hasDoubledName(document)),
  );
  const gone = [...stale, ...inserts].map(({ id }) => id);
  const altered = inserts.filter(({ document }) => hasEmptyTimestamp(document));
  const steps: Step[] = [
    ...[...chunks(gone, ({ bytes }) => bytes.length, idLimits)].map((ids) => deletion(target, ids)),
    {
      command: { update: collection },
      field: 'updates',
      list: updates.map(exactUpdate),
      documents: updates,
    },
    {
      command: { insert: collection },
      field: 'documents',
      list: inserts.map(({ document }) => document),
      documents: inserts,
    },
    {
      command: { update: collection },
      field: 'updates',
      list: altered.map(timestampUpdate),
      documents: altered,
    },
  ];
  return steps.filter(({ list }) => list.length > 0);
}

/** Deletes documents by `_id`, in transactions that hold only while the epoch is ours. */
export async function deleteExactly(target: FencedTarget, ids: readonly RawValue[]): Promise<void> {
  for (const part of chunks(ids, ({ bytes }) => bytes.length, idLimits)) {
    await inFencedTransaction(target, [deletion(target, part)]);
  }
}

function deletion({ collection }: FencedTarget, ids: readonly RawValue[]): Step {
  return { command: { delete: collection }, field: 'deletes', list: [deleteStatement(ids)] };
}

async function inFencedTransaction(
  { db, control, epoch, capped, session, signal }: FencedTarget,
  steps: readonly Step[],
): Promise<void> {
  const run = async (options: CommandOptions, concern: Document = {}): Promise<void> => {
    for (const { command, field, list, documents } of steps) {
      const reply = await runWithDocuments(db, { ...command, ...concern }, field, list, options);
      const [first] = (reply['writeErrors'] ?? []) as WriteError[];
      if (!first) continue;
      if (isRefusal(first)) throw new StepError(first.errmsg, documents?.[first.index]);
      throw new Error(`${field} at the target: ${first.errmsg} (${first.code})`);
    }
  };
  if (capped) {
    const { replay } = await control.read();
    if (replay.epoch !== epoch) throw new FencedError('replay');
    await run({ signal }, { writeConcern: { w: 'majority' } });
    return;
  }
  await session.withTransaction(
    async () => {
      await control.fence('replay', epoch, session);
      await run({ session, signal });
    },
    { readConcern: { level: 'local' }, writeConcern: { w: 'majority' }, readPreference: 'primary' },
  );
}
