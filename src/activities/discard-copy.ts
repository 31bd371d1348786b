import { failpoint } from '../failpoint.js';
import type { Migration } from '../migration.js';
import { beginRound, checkNameIsFree, dropCopies, removeRounds } from '../mongo/discard-copy.js';
import { takeOverReplay } from '../mongo/takeover.js';
import { type ActivityDependencies, open } from './context.js';
import { withPulse } from './pulse.js';
import { removeDumps } from './dump-files.js';

/**
 * Discards the copies before this round: takes over from their replay, drops their collections, and
 * removes their plan, comparison and dump files of this host. Capture goes on meanwhile. Safe to run
 * again, also when the new copy has begun: what is dropped is known by its UUID, or has a name of an
 * earlier round.
 * @returns the round that is to be copied: a later one when the workflow was reset to before it.
 * @throws TransientError PreflightFailed when somebody else's collection has the final name.
 */
export async function discardCopy(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<number> {
  const { control, target, targetCollection } = open(deps, migration);
  return withPulse(
    () => ({ doing: 'discarding the copy, so that it can begin anew' }),
    async () => {
      const { round: before = 0 } = await control.read();
      if (before <= control.round) {
        await using session = target.client.startSession({ causalConsistency: false });
        await takeOverReplay(control, session, () => beginRound(control, control.round));
      }
      failpoint('round-begun');
      const begun = await control.read();
      await dropCopies(target, targetCollection, begun);
      failpoint('copy-dropped');
      const { round = 0 } = begun;
      await removeRounds(control, round);
      await removeDumps(deps, migration.runId, round);
      await checkNameIsFree(target, targetCollection, await control.read());
      return round;
    },
  );
}
