import { type Db, MongoClient, Timestamp } from 'mongodb';
import type { Connections } from '../connections.js';
import { errorTypes, TransientError } from '../errors.js';
import type { Migration } from '../migration.js';
import { readHello } from '../mongo/hello.js';
import { runCommand } from '../mongo/raw.js';
import { tokenTime } from '../mongo/token.js';
import { toolUri } from '../tools/tool-uri.js';
import type { Opened } from './context.js';

/** A member that is further behind is told, and the dump tried again, in ms. */
const PATIENCE_MS = 30_000;
const MAX_TIME_EXPIRED = 50;

/**
 * From when on a copy has to read, in the source's own time: it has to have all that the stream does not bring.
 * A stream that begins by itself begins one tick after what its server has, at a time that comes only with the
 * next write; the marker's token is that of a delete, which the copy has to know of.
 */
export async function copyTime(
  { control }: Pick<Opened, 'control'>,
  { token }: Pick<Migration['options'], 'token'>,
): Promise<Timestamp> {
  const { startToken, replay } = await control.read();
  // A copy that begins anew: what is before has been applied to the one that was discarded.
  if (replay.from !== undefined) return tokenTime(replay.from);
  if (!startToken) throw new Error('the control document has no token to start from');
  const time = tokenTime(startToken._data);
  const isExact = token === 'marker' || time.low === 0;
  return isExact ? time : Timestamp.fromBits(time.low - 1, time.high);
}

/**
 * Finds the member that mongodump is to read from by the connection string's read preference, and returns once
 * it has everything that was before the start position: of a member that is behind it the dump would have
 * documents that have changed, of which no event of the stream tells any more.
 * @returns host and port; nothing when mongodump finds the primary, or mongos, by itself.
 * @throws TransientError MongoDBUnreachable when the member is still behind after 30 s.
 */
export async function chooseDumpMember(
  connections: Connections,
  options: Pick<Migration['options'], 'source' | 'token'>,
  opened: Pick<Opened, 'control' | 'source' | 'sourceCollection'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { source, sourceCollection } = opened;
  const { source: alias } = options;
  const time = await copyTime(opened, options);
  const { readPreference, directConnection } = connections.get(alias).options;
  const hello = await readHello(source, { readPreference });
  const member: unknown = hello['me'];
  // With any other mode mongodump would choose once more, and another one.
  const isFound = readPreference.mode === 'primary' || directConnection;
  if (isFound || typeof member !== 'string') {
    await untilRead(source, sourceCollection, time, signal);
    return undefined;
  }
  const address = await toolUri(connections.uri(alias), { tool: 'mongodump', member });
  const direct = new MongoClient(address, { serverSelectionTimeoutMS: PATIENCE_MS });
  try {
    const db = direct.db(source.databaseName);
    await untilRead(db, sourceCollection, time, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      if ((error as { code?: number }).code !== MAX_TIME_EXPIRED) throw error;
      throw new TransientError(
        errorTypes.unreachable,
        `${member} of the source ("${alias}"), which is to be dumped from by the readPreference of the ` +
          'connection string, has not replicated what the migration began with; see that it ' +
          'replicates, or let the worker read from another member',
      );
    });
  } finally {
    await direct.close();
  }
  return member;
}

/** Returns when the member that answers has everything up to the time, by majority. */
async function untilRead(
  db: Db,
  collection: string,
  afterClusterTime: Timestamp,
  signal: AbortSignal,
): Promise<void> {
  const readConcern = { level: 'majority', afterClusterTime };
  const command = { find: collection, projection: { _id: 1 }, limit: 1, singleBatch: true };
  await runCommand(db, { ...command, readConcern }, { signal, maxTimeMS: PATIENCE_MS });
}
