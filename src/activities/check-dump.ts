import { stat } from 'node:fs/promises';
import { errorTypes, PermanentError } from '../errors.js';
import type { RestoreResult } from '../tools/index.js';
import type { Pulse } from './pulse.js';
import { readDump } from './dumped-documents.js';

/** A file that mongodump has written, and how many documents it said it wrote. */
export interface DumpFile {
  readonly file: string;
  readonly gzip: boolean;
  readonly documents: number;
}

/**
 * Looks whether a dump is there and has the length that it had: its folder may be a temporary one, and
 * the disk may have been full. With gzip only whether it is there.
 * @throws PermanentError DumpLost, upon which the workflow dumps the partition again.
 */
export async function checkDumpSize({ file, gzip }: DumpFile, bytes: number): Promise<void> {
  const found = await stat(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (!found) throw lost('is no longer there');
  if (!gzip && found.size !== bytes) throw lost(`has ${found.size} bytes in place of ${bytes}`);
}

/**
 * Reads a dump of which not everything could be restored, from its first document to its last.
 * @throws PermanentError DumpLost when it is not what was dumped.
 */
export async function checkDump(
  { file, gzip, documents }: DumpFile,
  { signal, touch }: Pulse,
): Promise<void> {
  let count = 0;
  try {
    for await (const read of readDump({ file, gzip, signal })) {
      touch();
      count += read.length;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw lost(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (count !== documents) throw lost(`has ${count} documents in place of ${documents}`);
}

/**
 * Whether all documents of a dump are at the target. mongodump reads a document twice that is deleted and
 * inserted again while it reads; of the two the first one stays, and the replay brings it to its last state.
 */
export function isRestored(
  dumped: number,
  { documents, failures, duplicates }: Pick<RestoreResult, 'documents' | 'failures' | 'duplicates'>,
): boolean {
  return documents + failures === dumped && failures === duplicates;
}

function lost(why: string): PermanentError {
  return new PermanentError(
    errorTypes.dumpLost,
    `a dump file of this migration ${why}; the partition is dumped again`,
  );
}
