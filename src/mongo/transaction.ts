import { type ClientSession, MongoError } from 'mongodb';

/** A command was at work when its transaction was too old; unlike between two commands, this has no label. */
const LIFETIME_EXCEEDED = 290;

/** Does work in a transaction, durable by majority on return; again as a whole on write conflicts. */
export async function inTransaction(
  session: ClientSession,
  work: () => Promise<void>,
): Promise<void> {
  await session.withTransaction(work, {
    readConcern: { level: 'local' },
    writeConcern: { w: 'majority' },
    readPreference: 'primary',
  });
}

/** Whether the server has ended a transaction, again and again where that may pass: it takes too long. */
export function isEnded(error: unknown): boolean {
  if (!(error instanceof MongoError)) return false;
  return error.code === LIFETIME_EXCEEDED || error.hasErrorLabel('TransientTransactionError');
}
