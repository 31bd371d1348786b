import type { CutoverOutcome, Migration } from '../migration.js';
import { type ActivityDependencies, open } from './context.js';
import { cutover } from './cutover.js';

/**
 * A cutover that may not begin after some moment: the worker may have been away when it was asked
 * for. One that an attempt before this one has begun goes on, since the migration stands still.
 * @param notAfter ISO 8601; without it there is no such moment.
 */
export async function plannedCutover(
  deps: ActivityDependencies,
  migration: Migration,
  force: readonly string[],
  notAfter: string | undefined,
): Promise<CutoverOutcome> {
  if (notAfter !== undefined && Date.now() > Date.parse(notAfter)) {
    const { holder } = await open(deps, migration).control.read();
    const message = `the cutover could not begin before ${notAfter}: no worker was there to do it`;
    if (holder !== 'cutover') return { refused: [{ code: 'missed', message }] };
  }
  return cutover(deps, migration, force);
}
