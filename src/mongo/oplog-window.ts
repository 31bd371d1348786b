import { type Db, Long, Timestamp } from 'mongodb';
import { errorCode } from './catalogue.js';
import { runCommand } from './raw.js';
import { Recent } from './recent.js';

/** How far back a change stream of the source may start. */
export interface OplogWindow {
  readonly hours: number;
  /** Whether the source holds more than `hours`; the search ends at 31 days. */
  readonly atLeast: boolean;
}

const CHANGE_STREAM_HISTORY_LOST = 286;
const MAX_TIME_MS_EXPIRED = 50;
const LONGEST_SECONDS = 31 * 24 * 3600;
const SHORTEST_SECONDS = 60;
/** The search ends when the bounds are this close: 11 probes from a minute to 31 days. */
const PRECISION = 1.02;
/**
 * A start that is lost is refused within 10 ms (6.0.5); what takes longer reads the oplog for
 * events, and no probe needs those.
 */
const PROBE_MS = 200;

/**
 * Measures how many hours of change stream history the source holds, with no privilege but that of
 * the stream itself: opens streams in the past, and the server refuses those before its oplog.
 * @param now the source's cluster time.
 * @throws MongoServerError 13 without the privilege `changeStream`.
 */
export async function probeWindow(
  db: Db,
  collection: string,
  now: Timestamp,
  signal?: AbortSignal,
): Promise<OplogWindow> {
  const isHeld = (seconds: number) => probe(db, collection, secondsBefore(now, seconds), signal);
  // A server that has never removed anything from its oplog takes any start, however old.
  if (await isHeld(LONGEST_SECONDS)) return { hours: LONGEST_SECONDS / 3600, atLeast: true };
  if (!(await isHeld(SHORTEST_SECONDS))) return { hours: 0, atLeast: false };
  let [held, lost] = [SHORTEST_SECONDS, LONGEST_SECONDS];
  while (lost / held > PRECISION) {
    const middle = Math.round(Math.sqrt(held * lost));
    if (middle <= held || middle >= lost) break;
    if (await isHeld(middle)) held = middle;
    else lost = middle;
  }
  return { hours: held / 3600, atLeast: false };
}

/** For so long a window is as it was, as far as anybody asks, in ms. */
const FRESH_MS = 5 * 60_000;
const recent = new Recent<OplogWindow>();

/**
 * The window of a deployment as somebody has measured it a few minutes ago, through the same client, or measured now:
 * each probe reads a part of the oplog, and with hundreds of collections they add up.
 */
export async function recentWindow(...asked: Parameters<typeof probeWindow>): Promise<OplogWindow> {
  const [{ client }] = asked;
  const known = recent.get(client, FRESH_MS);
  if (known) return known;
  const window = await probeWindow(...asked);
  recent.set(client, window);
  return window;
}

async function probe(
  db: Db,
  collection: string,
  startAtOperationTime: Timestamp,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const pipeline = [{ $changeStream: { startAtOperationTime } }, { $project: { _id: 1 } }];
  const command = { aggregate: collection, pipeline, cursor: { batchSize: 1 } };
  try {
    const reply = await runCommand(db, { ...command, maxTimeMS: PROBE_MS }, { signal });
    const { cursor }: { cursor?: { id: Long | number } } = reply;
    const cursors = [Long.fromValue(cursor?.id ?? 0)];
    await runCommand(db, { killCursors: collection, cursors }).catch(() => undefined);
    return true;
  } catch (error) {
    if (errorCode(error) === CHANGE_STREAM_HISTORY_LOST) return false;
    if (errorCode(error) === MAX_TIME_MS_EXPIRED) return true;
    throw error;
  }
}

function secondsBefore(time: Timestamp, seconds: number): Timestamp {
  return new Timestamp({ t: Math.max(1, time.getHighBitsUnsigned() - seconds), i: 1 });
}
