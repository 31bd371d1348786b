import { BSON, type ClientSession, type Db, type Document } from 'mongodb';
import { chunks, idLimits } from './chunks.js';
import { type Control, FencedError } from './control.js';
import { type CommandOptions, RawValue, runWithDocuments } from './raw.js';

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

/** A document and its `_id`. */
export interface ExactDocument {
  readonly id: RawValue;
  readonly document: Buffer;
}

/**
 * The update that makes a document exactly these bytes, whether it is there or not. A pipeline with
 * a literal, because a replacement would read `$`-prefixed names as operators, and both an insert
 * and a replacement would turn a top-level `Timestamp(0, 0)` into the current time.
 */
export function exactUpdate({ id, document }: ExactDocument): Uint8Array {
  return BSON.serialize({
    q: { _id: id },
    u: [{ $replaceWith: { $literal: RawValue.document(document) } }],
    upsert: true,
  });
}

/** Writes documents as they are, in transactions that hold only while the epoch is ours. */
export async function writeExactly(
  target: FencedTarget,
  documents: readonly ExactDocument[],
): Promise<void> {
  const limits = { items: DOCUMENTS_PER_TRANSACTION, bytes: BYTES_PER_TRANSACTION };
  for (const part of chunks(documents, ({ document }) => document.length, limits)) {
    const updates = part.map(exactUpdate);
    await inFencedTransaction(target, { update: target.collection }, 'updates', updates);
  }
}

/** Deletes documents by `_id`, in transactions that hold only while the epoch is ours. */
export async function deleteExactly(target: FencedTarget, ids: readonly RawValue[]): Promise<void> {
  for (const part of chunks(ids, ({ bytes }) => bytes.length, idLimits)) {
    const statement = BSON.serialize({ q: { _id: { $in: part } }, limit: 0 });
    await inFencedTransaction(target, { delete: target.collection }, 'deletes', [statement]);
  }
}

async function inFencedTransaction(
  { db, control, epoch, capped, session, signal }: FencedTarget,
  command: Document,
  field: 'updates' | 'deletes',
  statements: readonly Uint8Array[],
): Promise<void> {
  const run = async (options: CommandOptions, concern: Document = {}): Promise<void> => {
    const reply = await runWithDocuments(
      db,
      { ...command, ...concern },
      field,
      statements,
      options,
    );
    const [first] = (reply.writeErrors ?? []) as { errmsg: string; code: number }[];
    if (first) throw new Error(`${field} at the target: ${first.errmsg} (${first.code})`);
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
