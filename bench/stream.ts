import type { Db, Document, Timestamp } from 'mongodb';
import { RawCursor } from '../src/mongo/raw-cursor.js';
import { decodeToken, type ResumeToken, tokenTime } from '../src/mongo/token.js';

const BATCH_EVENTS = 10_000;
const AWAIT_MS = 50;
const INSERT_DOCUMENTS = 1_000;

/** A stretch of a change stream. */
export interface Stretch {
  readonly source: Db;
  /** Of the whole database when missing. */
  readonly collection?: string;
  readonly start: ResumeToken;
  /** Up to this time; asked again and again while it is not known. */
  readonly until: () => Timestamp | undefined;
}

/** Reads events as bytes and does nothing with them. @returns how many there were */
export async function readRaw(
  { source, collection, start, until }: Stretch,
  stream: { fullDocument?: 'updateLookup' } = {},
): Promise<number> {
  const pipeline = [{ $changeStream: { resumeAfter: start, ...stream } }];
  await using cursor = await RawCursor.open(
    source,
    { aggregate: collection ?? 1, pipeline, cursor: { batchSize: 0 }, readConcern: { level: 'majority' } },
    { maxAwaitMs: AWAIT_MS, batchSize: BATCH_EVENTS },
  ); // prettier-ignore
  let events = 0;
  for (;;) {
    const { documents, resumeToken } = await cursor.next();
    events += documents.length;
    const reached = resumeToken && tokenTime(decodeToken(resumeToken)._data);
    const end = until();
    if (end && documents.length === 0 && reached?.greaterThanOrEqual(end)) return events;
  }
}

/** The usual way: the driver's objects with their documents, inserted as they come. @returns how many there were */
export async function captureDecoded(
  { source, collection = '', start, until }: Stretch,
  target: Db,
): Promise<number> {
  const into = target.collection('decoded');
  const stream = source
    .collection(collection)
    .watch([], { resumeAfter: start, fullDocument: 'updateLookup', batchSize: BATCH_EVENTS, maxAwaitTimeMS: AWAIT_MS }); // prettier-ignore
  let events = 0;
  let waiting: Document[] = [];
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    await into.insertMany(waiting, { ordered: false, writeConcern: { w: 'majority' } });
    waiting = [];
  };
  try {
    for (;;) {
      const event = await stream.tryNext();
      if (event) {
        events += 1;
        waiting.push(event);
        if (waiting.length >= INSERT_DOCUMENTS) await flush();
        continue;
      }
      await flush();
      const [token, end] = [stream.resumeToken as ResumeToken, until()];
      if (end && tokenTime(token._data).greaterThanOrEqual(end)) return events;
    }
  } finally {
    await stream.close();
    await into.drop();
  }
}
