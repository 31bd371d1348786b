import type { Db, Timestamp } from 'mongodb';
import { changeStreamPipeline, parseEvent, tokenData } from './change-event.js';
import { readOperationTime } from './operation-time.js';
import type { RawValue } from './raw.js';
import { RawCursor } from './raw-cursor.js';
import { tokenTime } from './token.js';

/** Looks at the stream for so long at most, in ms. */
const TIME_LIMIT_MS = 5_000;

/**
 * The writes that reached the source after a cluster time, up to now, or those of the first five
 * seconds of looking where they do not end. `onWrite` is called with the `_id` of each.
 */
export async function readWritesAfter(
  db: Db,
  collection: string,
  time: Timestamp,
  signal: AbortSignal,
  onWrite: (id: RawValue) => void,
): Promise<void> {
  const end = await readOperationTime(db);
  await using stream = await RawCursor.open(
    db,
    {
      aggregate: collection,
      pipeline: changeStreamPipeline({ startAtOperationTime: time }),
      cursor: { batchSize: 0 },
    },
    { signal, maxAwaitMs: 100 },
  );
  const deadline = Date.now() + TIME_LIMIT_MS;
  while (Date.now() < deadline) {
    const { documents, resumeToken } = await stream.next();
    for (const event of documents.map(parseEvent)) {
      if (event.id && event.time.greaterThan(time)) onWrite(event.id);
    }
    const isAtEnd = resumeToken && tokenTime(tokenData(resumeToken)).greaterThanOrEqual(end);
    if (documents.length === 0 && isAtEnd) return;
  }
}
