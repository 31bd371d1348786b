import type { Db, Document, UUID } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import { splitByMessage } from './buffer.js';
import { chunks, idLimits } from './chunks.js';
import { hasDoubledName } from './doubled-names.js';
import { deleteStatement, exactUpdate } from './exact-write.js';
import { hasEmptyTimestamp, idOf, runWithDocuments } from './raw.js';
import { RawCursor } from './raw-cursor.js';

const DUPLICATE_KEY = 11000;
const UUID_MISMATCH = 361;
/** Inserts under way at a time: hides the wait for majority; a reply of 16 MB each bounds memory. */
const MAX_IN_FLIGHT = 3;
/**
 * Documents per reply. Servers end a reply at 16 MB; fewer documents than that keep the source's
 * share of the work even.
 */
const BATCH_DOCUMENTS = 10_000;

export interface DirectCopyOptions {
  readonly source: Db;
  readonly sourceCollection: string;
  readonly target: Db;
  readonly targetCollection: string;
  /** UUID of the target collection where the server can check it (6.0+): fences late inserts. */
  readonly targetUuid: UUID | undefined;
  /** Which documents; everything if empty. */
  readonly filter: Document;
  /** Keep the natural order: one insert at a time. */
  readonly ordered: boolean;
  readonly signal: AbortSignal;
  /** Totals of this call so far. */
  readonly onProgress: (copied: { documents: number; bytes: number }) => void;
}

/**
 * Streams documents as raw batches from server to server. Documents that are there already are left
 * as they are: the replay that follows brings each to its last state.
 * @returns documents and bytes read.
 */
export async function copyDirectly(
  options: DirectCopyOptions,
): Promise<{ documents: number; bytes: number }> {
  const { source, sourceCollection, filter, ordered, signal } = options;
  const copied = { documents: 0, bytes: 0 };
  const failed = new AbortController();
  const inserts = new Set<Promise<void>>();
  const limit = ordered ? 1 : MAX_IN_FLIGHT;
  await using found = await RawCursor.open(
    source,
    {
      find: sourceCollection,
      filter,
      batchSize: BATCH_DOCUMENTS,
      noCursorTimeout: true,
      readConcern: { level: 'majority' },
    },
    { signal: AbortSignal.any([signal, failed.signal]), batchSize: BATCH_DOCUMENTS },
  );
  try {
    for await (const batch of found) {
      const insert = insertDocuments(options, batch.documents)
        .then(() => {
          copied.documents += batch.documents.length;
          copied.bytes += batch.bytes;
          options.onProgress(copied);
        })
        .catch((error: unknown) => failed.abort(error))
        .finally(() => inserts.delete(insert));
      inserts.add(insert);
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

/** Inserts documents by majority; those that are there already are left as they are. */
async function insertDocuments(
  options: DirectCopyOptions,
  documents: readonly Buffer[],
): Promise<void> {
  if (options.ordered) return insertInOrder(options, documents);
  const plain: Buffer[] = [];
  const altered: Buffer[] = [];
  for (const document of documents) (hasEmptyTimestamp(document) ? altered : plain).push(document);
  for (const part of splitByMessage(plain)) {
    await write(
      options,
      { insert: options.targetCollection, ordered: options.ordered },
      'documents',
      part,
    );
  }
  await writeEmptyTimestamps(options, altered);
}

/** The same, document after document where there are some that cannot be inserted. */
async function insertInOrder(
  options: DirectCopyOptions,
  documents: readonly Buffer[],
): Promise<void> {
  let rest = documents;
  while (rest.length > 0) {
    const found = rest.findIndex(hasEmptyTimestamp);
    const plain = found < 0 ? rest : rest.slice(0, found);
    for (const part of splitByMessage(plain)) {
      await write(options, { insert: options.targetCollection, ordered: true }, 'documents', part);
    }
    if (found >= 0) await writeEmptyTimestamps(options, rest.slice(found, found + 1));
    rest = rest.slice(plain.length + 1);
  }
}

/** Writes documents whose `Timestamp(0, 0)` an insert would turn into the current time. */
export async function writeEmptyTimestamps(
  options: Pick<DirectCopyOptions, 'target' | 'targetCollection' | 'targetUuid' | 'signal'>,
  documents: readonly Buffer[],
): Promise<void> {
  const doubled = documents.filter(hasDoubledName).map(idOf);
  for (const ids of chunks(doubled, ({ bytes }) => bytes.length, idLimits)) {
    const statement = Buffer.from(deleteStatement(ids));
    await write(options, { delete: options.targetCollection }, 'deletes', [statement]);
  }
  const updates = documents.map((document) =>
    Buffer.from(exactUpdate({ id: idOf(document), document })),
  );
  for (const part of splitByMessage(updates)) {
    await write(options, { update: options.targetCollection }, 'updates', part);
  }
}

async function write(
  {
    target,
    targetCollection,
    targetUuid,
    signal,
  }: Pick<DirectCopyOptions, 'target' | 'targetCollection' | 'targetUuid' | 'signal'>,
  command: Document,
  field: 'documents' | 'updates' | 'deletes',
  part: readonly Buffer[],
): Promise<void> {
  const reply = await runWithDocuments(
    target,
    {
      ...command,
      ...(targetUuid && { collectionUUID: targetUuid }),
      writeConcern: { w: 'majority' },
    },
    field,
    part,
    { signal },
  );
  const errors = (reply.writeErrors ?? []) as { code: number; errmsg: string }[];
  const first = errors.find(({ code }) => code !== DUPLICATE_KEY);
  if (first?.code === UUID_MISMATCH) {
    throw new PermanentError(
      errorTypes.controlLost,
      `${target.databaseName}.${targetCollection}, which the copy fills, was dropped or replaced ` +
        'while the migration ran; start the migration again',
    );
  }
  if (first) throw new Error(`copy into ${targetCollection}: ${first.errmsg} (${first.code})`);
}
