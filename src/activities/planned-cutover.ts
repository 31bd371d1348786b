import { missedBlocker } from '../blockers.js';
import type { CutoverOutcome, Migration } from '../migration.js';
import { CollectionCutover } from './collection-cutover.js';
import { type ActivityDependencies, open } from './context.js';
import { withPulse } from './pulse.js';
import { cutover } from './cutover.js';

/**
 * A cutover that may not begin after some moment: the worker may have been away when it was asked for, and
 * applications may be back at the source by now. What an attempt before this one holds is let go then, unless that
 * attempt had come to its end, and only its answer was lost.
 * @param notAfter ISO 8601; without it there is no such moment.
 */
export async function plannedCutover(
  deps: ActivityDependencies,
  migration: Migration,
  force: readonly string[],
  notAfter: string | undefined,
): Promise<CutoverOutcome> {
  if (notAfter !== undefined && Date.now() > Date.parse(notAfter)) {
    const { holder, fence } = await open(deps, migration).control.read();
    if (holder !== 'cutover' || !fence) {
      await letGo(deps, migration);
      return { refused: [missedBlocker(notAfter)] };
    }
  }
  return cutover(deps, migration, force);
}

/** Lets a migration go on as before that a cutover holds of which nothing more comes. */
export async function letGo(deps: ActivityDependencies, migration: Migration): Promise<void> {
  await withPulse(
    () => ({ doing: 'letting the migration go on: its cutover was given up' }),
    async (pulse) => {
      await using one = new CollectionCutover({ deps, migration, force: [], pulse });
      await one.letGo();
    },
  );
}
