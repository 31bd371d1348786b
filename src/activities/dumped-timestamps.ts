import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { collectionUuid } from '../mongo/buffer.js';
import { writeEmptyTimestamps } from '../mongo/direct-copy.js';
import { hasEmptyTimestamp } from '../mongo/raw.js';
import type { Opened } from './context.js';

const CHUNK_BYTES = 4 * 1024 * 1024;
const WRITE_DOCUMENTS = 500;

/**
 * Writes the documents of a dump that have a top-level `Timestamp(0, 0)` once more, exactly:
 * mongorestore inserts, and a server turns such a value into the current time on insert.
 */
export async function writeDumpedTimestamps({
  opened,
  file,
  gzip,
  signal,
}: {
  readonly opened: Opened;
  readonly file: string;
  readonly gzip: boolean;
  readonly signal: AbortSignal;
}): Promise<void> {
  const documents: Buffer[] = [];
  const targetUuid = await collectionUuid(opened.target, opened.staging);
  const flush = () =>
    writeEmptyTimestamps(
      { target: opened.target, targetCollection: opened.staging, targetUuid, signal },
      documents.splice(0),
    );
  for await (const document of readDump({ file, gzip, signal })) {
    if (!hasEmptyTimestamp(document)) continue;
    documents.push(Buffer.from(document));
    if (documents.length >= WRITE_DOCUMENTS) await flush();
  }
  await flush();
}

/** The documents of a dump, one after another; each is valid until the next one is asked for. */
export function readDump({
  file,
  gzip,
  signal,
}: {
  readonly file: string;
  readonly gzip: boolean;
  readonly signal?: AbortSignal;
}): AsyncGenerator<Buffer> {
  const raw = createReadStream(file, { highWaterMark: CHUNK_BYTES, ...(signal && { signal }) });
  // A mere pipe hands no errors on, and one that nobody hears ends the process. Here the reader does.
  return splitDocuments(gzip ? pipeline(raw, createGunzip(), () => undefined) : raw);
}

/** Cuts a stream of BSON documents that follow each other, as mongodump writes them. */
export async function* splitDocuments(stream: Readable): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = bytes.readInt32LE(at);
      if (length < 5) throw new Error(`the dump has a document of ${length} bytes`);
      if (bytes.length - at < length) break;
      yield bytes.subarray(at, at + length);
      at += length;
    }
    bytes = bytes.subarray(at);
    rest = bytes;
  }
  if (rest.length > 0) throw new Error('the dump ends in the middle of a document');
}
