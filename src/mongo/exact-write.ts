import { BSON, type ClientSession, type Db, type Document } from 'mongodb';
import { chunks, idLimits } from './chunks.js';
import { type Control, FencedError } from './control.js';
import { hasDoubledName } from './doubled-names.js';
import {
  type CommandOptions,
  hasDollarName,
  hasEmptyTimestamp,
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
  readonly field: 'updates' | 'deletes';
  readonly list: readonly Uint8Array[];
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

/** The statement that deletes documents by `_id`. */
export function deleteStatement(ids: readonly RawValue[]): Uint8Array {
  return BSON.serialize({ q: { _id: { $in: ids } }, limit: 0 });
}

/** Whether `exactUpdate` writes the document by a pipeline. */
function needsPipeline(document: Buffer): boolean {
  return hasDollarName(document) || hasEmptyTimestamp(document);
}

/** Writes documents as they are, in transactions that hold only while the epoch is ours. */
export async function writeExactly(
  target: FencedTarget,
  documents: readonly ExactDocument[],
): Promise<void> {
  const limits = { items: DOCUMENTS_PER_TRANSACTION, bytes: BYTES_PER_TRANSACTION };
  for (const part of chunks(documents, ({ document }) => document.length, limits)) {
    // Nobody knows here whether the target's document has a name twice. In a capped collection a delete
    // costs the natural order, and is done only where the new document has one.
    const stale = part.filter(
      ({ document }) => needsPipeline(document) && (!target.capped || hasDoubledName(document)),
    );
    const ids = stale.map(({ id }) => id);
    const steps: Step[] = [
      ...[...chunks(ids, ({ bytes }) => bytes.length, idLimits)].map((some) =>
        deletion(target, some),
      ),
      { command: { update: target.collection }, field: 'updates', list: part.map(exactUpdate) },
    ];
    await inFencedTransaction(target, steps);
  }
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
    for (const { command, field, list } of steps) {
      const reply = await runWithDocuments(db, { ...command, ...concern }, field, list, options);
      const [first] = (reply.writeErrors ?? []) as { errmsg: string; code: number }[];
      if (first) throw new Error(`${field} at the target: ${first.errmsg} (${first.code})`);
    }
  };
  if (capped) {
    const { replay } = await control.read();
    if (replay.epoch !== epoch) throw new FencedError('replay');
    await run({ signal }, { writeConcern: { w: 'majority' } });
    return;
  }
  await inTransaction(session, async () => {
    await control.fence('replay', epoch, session);
    await run({ session, signal });
  });
}

/** Does work in a transaction, durable by majority on return; again as a whole on write conflicts. */
export async function inTransaction(
  session: ClientSession,
  work: () => Promise<void>,
): Promise<void> {
  await session.withTransaction(work, {
    readConcern: { level: 'local' },
    writeConcern: { w: 'majority' },
    readPreference: 'primary',
  });
}
