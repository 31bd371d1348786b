import { type Db, type Document, Int32 } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import { changeStreamPipeline, parseEvent, resumeAfter } from './change-event.js';
import { RawCursor } from './raw-cursor.js';
import type { ResumeToken } from './token.js';

/** Field of the marker that tells it from a document of the application. */
export const MARKER_FIELD = 'changestreamMigration';
const MARKER_ID = new Int32(-1);

interface Marker extends Document {
  readonly _id: Int32;
}

const MARKER_TIMEOUT_MS = 60_000;

/**
 * Finds the start position as the old scripts did: opens a stream, inserts a document `_id: -1` at
 * the source, deletes it, and takes the delete's token. Proves that change events arrive. The marker
 * is before the position, so that it never reaches the target; a second run removes what a first one
 * left.
 * @throws PermanentError MarkerRefused when the source has a document `_id: -1` of its own or refuses
 * the insert.
 */
export async function readMarkerToken(
  db: Db,
  collection: string,
  workflowId: string,
  signal: AbortSignal,
): Promise<ResumeToken> {
  await removeMarker(db, collection);
  await using stream = await RawCursor.open(
    db,
    { aggregate: collection, pipeline: changeStreamPipeline({}), cursor: { batchSize: 0 } },
    { signal, maxAwaitMs: 500 },
  );
  await stream.next();
  try {
    await db
      .collection<Marker>(collection)
      .insertOne(
        { _id: MARKER_ID, [MARKER_FIELD]: workflowId },
        { writeConcern: { w: 'majority' } },
      );
  } catch (error) {
    throw refused(db, collection, error);
  }
  await removeMarker(db, collection);
  const deadline = Date.now() + MARKER_TIMEOUT_MS;
  while (Date.now() < deadline && !stream.exhausted) {
    const { documents } = await stream.next();
    for (const event of documents.map(parseEvent)) {
      const isMarker = event.id?.type === 0x10 && Buffer.from(event.id.bytes).readInt32LE() === -1;
      if (event.operation === 'delete' && isMarker) return resumeAfter(event);
    }
  }
  throw new Error(
    `the delete of the marker did not arrive in the change stream of ${db.databaseName}.${collection} ` +
      `within ${MARKER_TIMEOUT_MS / 1000} s`,
  );
}

/** Removes a marker that is ours, and writes nothing where there is none; a document of the application stays. */
export async function removeMarker(db: Db, collection: string): Promise<void> {
  const markers = db.collection<Marker>(collection);
  const ours = { _id: MARKER_ID, [MARKER_FIELD]: { $exists: true } };
  // After the cutover the source may take no writes any more.
  if (!(await markers.findOne(ours, { readPreference: 'primaryPreferred' }))) return;
  await markers.deleteOne(ours, { writeConcern: { w: 'majority' } });
}

function refused(db: Db, collection: string, error: unknown): Error {
  const { code, message } = error as { code?: number; message: string };
  // 11000: there is a document with this _id, or another unique index refuses the marker.
  // 121: the validator refuses it. Anything else may pass.
  if (code !== 11000 && code !== 121) return error as Error;
  return new PermanentError(
    errorTypes.markerRefused,
    `the marker (a document with _id -1) cannot be inserted into ${db.databaseName}.${collection} ` +
      `at the source: ${message}. Use "token": "stream", which writes nothing at the source`,
  );
}
