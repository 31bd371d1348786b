import type { Db, Timestamp } from 'mongodb';

/**
 * The cluster time of the newest operation at the primary: every write that was acknowledged before
 * the call is not after it.
 */
export async function readOperationTime(db: Db): Promise<Timestamp> {
  const reply = await db.command({ ping: 1 }, { readPreference: 'primary' });
  const time: Timestamp | undefined = reply['operationTime'] ?? reply['$clusterTime']?.clusterTime;
  if (!time) throw new Error(`${db.databaseName}: the server told no operation time`);
  return time;
}
