import type { Db, Timestamp } from 'mongodb';
import { changeStreamPipeline, parseEvent, tokenData } from './change-event.js';
import { readOperationTime } from './operation-time.js';
import type { RawValue } from './raw.js';
import { RawCursor } from './raw-cursor.js';
import { tokenTime } from './token.js';

const MAX_AWAIT_MS = 20;

/** Which writes are looked for. */
export interface WritesAfter {
  /** Where change streams are read from. */
  readonly db: Db;
  readonly collection: string;
  /** Writes after this cluster time. */
  readonly time: Timestamp;
  readonly signal: AbortSignal;
  /** Called with the `_id` of each; the looking ends when it returns false. */
  readonly onWrite: (id: RawValue) => boolean | void;
  /** Looks for so long at most; as long as it takes without. */
  readonly timeLimitMs?: number;
}

/**
 * Reads the writes that reached the source after a cluster time, up to now. Those that writers add
 * while this looks are not waited for: they may never pause.
 */
export async function readWritesAfter(options: WritesAfter): Promise<void> {
  const { db, collection, time, signal, onWrite, timeLimitMs = Number.POSITIVE_INFINITY } = options;
  const end = await readOperationTime(db);
  await using stream = await RawCursor.open(
    db,
    {
      aggregate: collection,
      pipeline: changeStreamPipeline({ startAtOperationTime: time }),
      cursor: { batchSize: 0 },
    },
    { signal, maxAwaitMs: MAX_AWAIT_MS },
  );
  const deadline = Date.now() + timeLimitMs;
  // A stream ends with the collection it follows, and says nothing more from then on.
  while (Date.now() < deadline && !stream.exhausted) {
    const { documents, resumeToken } = await stream.next();
    for (const event of documents.map(parseEvent)) {
      if (event.id && event.time.greaterThan(time) && onWrite(event.id) === false) return;
    }
    if (!resumeToken) continue;
    const reached = tokenTime(tokenData(resumeToken));
    // A token at the end itself may stand between two events of one transaction.
    if (reached.greaterThan(end)) return;
    if (documents.length === 0 && reached.greaterThanOrEqual(end)) return;
  }
}
