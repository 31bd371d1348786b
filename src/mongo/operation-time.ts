import { setTimeout as sleep } from 'node:timers/promises';
import type { Db, Document, Timestamp } from 'mongodb';
import { readHello } from './hello.js';
import { Recent } from './recent.js';

/**
 * Members of a replica set hear of each other's time every 2 s, by their heartbeats: after two of them a
 * secondary knows a time that no write acknowledged before is after.
 */
const HEARD_MS = 5_000;

/** The server answers once a majority has agreed that it is the primary, whatever there is to read. */
const CONFIRMED = { readConcern: { level: 'linearizable' }, maxTimeMS: 10_000 } as const;

const recent = new Recent<Promise<Timestamp>>();

/**
 * The cluster time of the newest operation at the primary: every write that was acknowledged before
 * the call is not after it. Where the connection string leads to a secondary alone, the newest that it has.
 */
export async function readOperationTime(db: Db): Promise<Timestamp> {
  return timeIn(db, await ping(db));
}

/** The newest cluster time that the server has heard of, be it that it has not replicated it yet. */
export async function readClusterTime(db: Db): Promise<Timestamp> {
  const reply = await ping(db);
  const own = timeIn(db, reply);
  const heard: Timestamp | undefined = reply['$clusterTime']?.clusterTime;
  return heard?.greaterThan(own) ? heard : own;
}

/** The same of all that share a client: what one has read so many ms ago at most is told to the others. */
export async function recentClusterTime(db: Db, ms: number): Promise<Timestamp> {
  const known = recent.get(db.client, ms);
  if (known) return known;
  const time = readClusterTime(db);
  recent.set(db.client, time);
  time.catch(() => recent.forget(db.client));
  return time;
}

/** Whether the connection string leads to a secondary alone: a primary would be found otherwise. */
export async function isSecondary(db: Db): Promise<boolean> {
  return (await readHello(db))['secondary'] === true;
}

/**
 * Takes a fence: a cluster time that no write that was acknowledged before the call is after. A secondary
 * has to be given 5 s for that.
 * @param collection that the user may read.
 */
export async function readFence(
  db: Db,
  collection: string,
  signal: AbortSignal,
): Promise<Timestamp> {
  const { secondary, setName } = await readHello(db);
  if (secondary !== true) {
    if (setName === undefined) return readOperationTime(db);
    // One that has been replaced and does not know it yet answers others with a time of its own past.
    const find = { find: collection, filter: { _id: { $in: [] } }, ...CONFIRMED };
    return timeIn(db, await db.command(find, { readPreference: 'primary', signal }));
  }
  await sleep(HEARD_MS, undefined, { signal });
  return readClusterTime(db);
}

async function ping(db: Db): Promise<Document> {
  return db.command({ ping: 1 }, { readPreference: 'primary' });
}

function timeIn(db: Db, reply: Document): Timestamp {
  const time: Timestamp | undefined = reply['operationTime'] ?? reply['$clusterTime']?.clusterTime;
  if (!time) throw new Error(`${db.databaseName}: the server told no operation time`);
  return time;
}
