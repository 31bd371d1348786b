import type { MongoClient } from 'mongodb';
import { MOVER } from './scene.js';

/**
 * Lets the sessions of the migrations' user expire, as they do when they were not used for 30 minutes: the server
 * forgets their records by an index that removes old ones, and then kills what they have open and nobody uses.
 * What is in use at this moment is recorded anew.
 *
 * @returns how many the server has forgotten
 */
export async function expireSessions(client: MongoClient): Promise<number> {
  const admin = client.db('admin');
  await admin.command({ refreshLogicalSessionCacheNow: 1 });
  const records = client.db('config').collection('system.sessions');
  const { deletedCount } = await records.deleteMany({ 'user.name': `${MOVER}@admin` });
  await admin.command({ refreshLogicalSessionCacheNow: 1 });
  return deletedCount;
}

/** Change streams of a database and its collections, with what they are of: `shop`, `shop.orders`. */
export async function openStreams(
  client: MongoClient,
  database: string,
): Promise<readonly { on: string; id: bigint }[]> {
  const command = 'cursor.originatingCommand';
  const open = await client
    .db('admin')
    .aggregate(
      [
        { $currentOp: { allUsers: true, idleCursors: true } },
        { $match: { [`${command}.$db`]: { $eq: database } } },
        { $match: { [`${command}.pipeline.0.$changeStream`]: { $exists: true } } },
      ],
      { useBigInt64: true },
    )
    .toArray();
  return open.map(({ cursor }) => {
    const { aggregate } = cursor.originatingCommand;
    const on = typeof aggregate === 'string' ? `${database}.${aggregate}` : database;
    return { on, id: BigInt(cursor.cursorId) };
  });
}

/** Cursors of the migrated database's collections, and whether they wait for their next use. */
export async function openCursors(
  client: MongoClient,
): Promise<readonly { ns: string; id: unknown; isIdle: boolean }[]> {
  const open = await client
    .db('admin')
    .aggregate(
      [
        { $currentOp: { allUsers: true, idleCursors: true } },
        { $match: { ns: /^shop\./, 'cursor.cursorId': { $exists: true } } },
        { $project: { ns: 1, type: 1, 'cursor.cursorId': 1 } },
      ],
      { promoteLongs: false },
    )
    .toArray();
  return open.map(({ ns, type, cursor }) => ({
    ns: String(ns),
    id: cursor.cursorId,
    isIdle: type === 'idleCursor',
  }));
}
