import { differenceBlockers, isForced } from '../blockers.js';
import type { Blocker, Migration } from '../migration.js';
import { summariseDifferences } from '../mongo/verification.js';
import { type ActivityDependencies, open } from './context.js';
import { withPulse } from './pulse.js';
import { findBlockers, findForeignTarget } from './cutover-blockers.js';
import { findShapeBlockers } from './settle-shape.js';

/**
 * Looks for what a cutover would be refused for, as the cutover itself does before its fence, and for
 * differences that are known. Writes nothing and holds nothing; safe to run again.
 * @param force codes of blockers that are to be overruled.
 */
export async function dryRun(
  deps: Pick<ActivityDependencies, 'connections'>,
  migration: Migration,
  force: readonly string[],
): Promise<readonly Blocker[]> {
  const opened = open(deps, migration);
  return withPulse(
    () => ({ doing: 'looking for what speaks against a cutover' }),
    async (pulse) => {
      const differences = summariseDifferences(await opened.verification.known());
      const document = await opened.control.read();
      const foreign = await findForeignTarget(opened, document);
      return [
        ...findBlockers(document, migration, force),
        ...differenceBlockers(differences).filter(({ code }) => !isForced(code, force)),
        // There is nothing then whose indexes could be compared.
        ...(foreign ? [foreign] : await findShapeBlockers(opened, migration, pulse)),
      ];
    },
  );
}
