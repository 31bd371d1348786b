import type { Db, Document } from 'mongodb';
import { errorCode, isUnauthorized, majority } from './catalogue.js';
import { type LimitedOptions, runCommand } from './raw.js';

/**
 * What a server says to a `collMod` that it does not know: FailedToParse,
 * InvalidOptions, unknown field. A 6.0 server that runs as 5.0
 * (featureCompatibilityVersion, which an ordinary user cannot read) is found out only this way.
 */
const unsupported: readonly (number | undefined)[] = [9, 72, 40415];

/** Changes options of a collection, or of one of its indexes. */
export async function collMod(
  db: Db,
  collection: string,
  change: Document,
  options: LimitedOptions = {},
): Promise<void> {
  await runCommand(db, { collMod: collection, ...change, writeConcern: majority }, options);
}

/** Whether this is a server's answer to a `collMod` that it or the user cannot run. */
export function isCollModRefused(error: unknown): boolean {
  return unsupported.includes(errorCode(error)) || isUnauthorized(error);
}
