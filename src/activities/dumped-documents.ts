import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { collectionUuid } from '../mongo/buffer.js';
import { insertDocuments, type InsertOptions } from '../mongo/direct-copy.js';
import { hasEmptyTimestamp } from '../mongo/raw.js';
import type { Refusal } from '../mongo/refusal.js';
import type { Opened } from './context.js';

const CHUNK_BYTES = 4 * 1024 * 1024;
const GUNZIP_BYTES = 256 * 1024;
/** Its length begins each document. */
const LENGTH_BYTES = 4;
const BATCH_DOCUMENTS = 1_000;
const BATCH_BYTES = 16 * 1024 * 1024;

/** A partition's dump file, and where it goes. */
export interface DumpedDocuments {
  readonly opened: Opened;
  readonly file: string;
  readonly gzip: boolean;
  /** Keep the natural order. */
  readonly ordered: boolean;
  /** See `InsertOptions`. */
  readonly fence: InsertOptions['fence'];
  readonly signal: AbortSignal;
  /** Called when the work has moved. */
  readonly touch: () => void;
  /** Told of documents that the target does not take. */
  readonly onRefused: (refused: readonly Refusal[]) => Promise<void>;
}

/**
 * Whether a dump has documents with a top-level `Timestamp(0, 0)`, which an insert would alter. It reads the file once
 * more, so do it beside something: one that cannot be read may have some.
 */
export async function hasDumpedTimestamps(
  dump: Pick<DumpedDocuments, 'file' | 'gzip' | 'signal' | 'touch'>,
): Promise<boolean> {
  try {
    for await (const documents of readDump(dump)) {
      dump.touch();
      if (documents.some(hasEmptyTimestamp)) return true;
    }
    return false;
  } catch {
    return true;
  }
}

/**
 * Inserts all documents of a dump that the target takes. mongorestore ends a collection at the first
 * message with one that it does not take.
 *
 * @param onProgress told of the documents read so far
 */
export async function insertDumped(
  dump: DumpedDocuments & { readonly onProgress: (documents: number) => void },
): Promise<{ documents: number }> {
  const { opened, onProgress, onRefused, ...own } = dump;
  const { target, staging: targetCollection, clustered } = opened;
  const targetUuid = await collectionUuid(target, targetCollection);
  const into: InsertOptions = { target, targetCollection, targetUuid, clustered, ...own };
  let inserted = 0;
  let [batch, bytes]: [Buffer[], number] = [[], 0];
  const flush = async (): Promise<void> => {
    const refused = await insertDocuments(into, batch);
    inserted += batch.length;
    onProgress(inserted);
    own.touch();
    if (refused.length > 0) await onRefused(refused);
    [batch, bytes] = [[], 0];
  };
  for await (const documents of readDump(own)) {
    own.touch();
    for (const document of documents) {
      batch.push(Buffer.from(document));
      bytes += document.length;
      if (batch.length >= BATCH_DOCUMENTS || bytes >= BATCH_BYTES) await flush();
    }
  }
  await flush();
  return { documents: inserted };
}

/** The documents of a dump in its order, some at a time; they are valid until the next ones are asked for. */
export function readDump({
  file,
  gzip,
  signal,
}: {
  readonly file: string;
  readonly gzip: boolean;
  readonly signal?: AbortSignal;
}): AsyncGenerator<readonly Buffer[]> {
  const raw = createReadStream(file, { highWaterMark: CHUNK_BYTES, ...(signal && { signal }) });
  // A mere pipe hands no errors on, and one that nobody hears ends the process. Here the reader does.
  return splitDocuments(
    gzip ? pipeline(raw, createGunzip({ chunkSize: GUNZIP_BYTES }), () => undefined) : raw,
  );
}

/**
 * Cuts a stream of BSON documents that follow each other, as mongodump writes them. Many come at a time: an
 * `await` for each of them would take longer than what is done with it.
 */
export async function* splitDocuments(stream: Readable): AsyncGenerator<readonly Buffer[]> {
  // Joined only when a document is whole: a large one comes in very many chunks.
  let parts: Buffer[] = [];
  let [held, needed] = [0, LENGTH_BYTES];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    parts.push(chunk);
    held += chunk.length;
    if (held < needed) continue;
    const bytes = parts.length === 1 ? chunk : Buffer.concat(parts, held);
    const documents: Buffer[] = [];
    let at = 0;
    needed = LENGTH_BYTES;
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = bytes.readInt32LE(at);
      if (length < 5) throw new Error(`the dump has a document of ${length} bytes`);
      if (bytes.length - at < length) {
        needed = length;
        break;
      }
      documents.push(bytes.subarray(at, at + length));
      at += length;
    }
    if (documents.length > 0) yield documents;
    held = bytes.length - at;
    parts = held > 0 ? [bytes.subarray(at)] : [];
  }
  if (held > 0) throw new Error('the dump ends in the middle of a document');
}
