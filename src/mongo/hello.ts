import type { Db, Document, ReadPreference } from 'mongodb';
import { errorCode } from './catalogue.js';
import { noteClient } from './error-reply.js';

const COMMAND_NOT_FOUND = 59;

/** Which server is asked, and for how long. */
export interface HelloOptions {
  readonly readPreference?: ReadPreference;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What a server says of itself. Those before 4.2.10 and 4.4.2 know the command by its former name only, which has
 * `ismaster` in place of `isWritablePrimary`.
 */
export async function readHello(
  db: Db,
  { readPreference, signal }: HelloOptions = {},
): Promise<Document> {
  const options = { ...(readPreference && { readPreference }), ...(signal && { signal }) };
  try {
    return await db.command({ hello: 1 }, options);
  } catch (error) {
    noteClient(error, db.client);
    if (errorCode(error) !== COMMAND_NOT_FOUND) throw error;
    const reply = await db.command({ isMaster: 1 }, options);
    return { ...reply, isWritablePrimary: reply['ismaster'] };
  }
}
