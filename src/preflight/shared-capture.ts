import { type Db, MongoServerError } from 'mongodb';
import { isUnauthorized } from '../mongo/catalogue.js';
import { readStartToken } from '../mongo/change-stream.js';
import type { Findings } from './report.js';

/**
 * Warns when the changes of several collections of a database cannot be read together.
 * @param collections how many there are.
 */
export async function checkSharedCapture(
  findings: Findings,
  db: Db,
  collections: number,
  signal?: AbortSignal,
): Promise<void> {
  if (collections < 2) return;
  try {
    await readStartToken(db, 1, signal);
  } catch (error) {
    // One that cannot be reached may be there the next time.
    if (!(error instanceof MongoServerError)) throw error;
    const why = isUnauthorized(error) ? '' : ` (${error.message})`;
    findings.warn(
      'sharedRefused',
      `the user of the source may not read the change stream of the whole database ${db.databaseName}${why}: each of its ` +
        `${collections} collections will be followed by one of its own, which costs the source more; grant ` +
        'changeStream and find on the database, or set "capture": "own" if that is as it should be',
    );
  }
}
