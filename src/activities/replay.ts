import type { ClientSession } from 'mongodb';
import type { Migration } from '../migration.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { checkBuffer } from '../mongo/buffer.js';
import { replayRanges } from '../mongo/replay-loop.js';
import { Refusals } from '../mongo/refusals.js';
import { takeOverReplay } from '../mongo/takeover.js';
import { type ActivityDependencies, open, type Opened } from './context.js';
import { type Pulse, withPulse } from './pulse.js';
import { replayBatch } from './live-limits.js';
import { orSucceeded, untilReleased } from './stand-by.js';

/**
 * Longest wait for capture, in ms: where it runs on another worker, it cannot wake this one. One that
 * has just done so is here, and does it at least every four seconds.
 */
const LOOK_MS = { unheard: 250, heard: 5_000 } as const;

/**
 * Applies buffered changes to the target collection as they come, until it is cancelled. Safe to
 * run again: a new attempt takes the next epoch, ends what its predecessor still has running in the
 * server, and repeats at most one range, which changes nothing that was applied.
 */
export async function replay(deps: ActivityDependencies, migration: Migration): Promise<void> {
  const opened = open(deps, migration);
  const status = { doing: 'starting', applied: 0, changesPerSecond: 0, appliedUpTo: '' };
  await withPulse(
    () => ({ ...status }),
    async (pulse) => {
      using captured = deps.wakeups.listen(migration.runId);
      let isHeard = false;
      for (;;) {
        await using session = opened.target.client.startSession({ causalConsistency: false });
        status.doing = 'standing by while the cutover holds the migration';
        const taken = await untilReleased(opened.control, 'replay', pulse, () =>
          takeOverReplay(opened.control, session, () => opened.control.takeEpoch('replay')),
        );
        status.doing = 'applying changes';
        status.applied = taken.replay.events;
        await checkBuffer(opened.target, opened.targetCollection, taken.bufferUuid);
        try {
          await replayRanges({
            ...replayTarget(opened, migration, taken, pulse),
            session,
            start: taken.replay,
            batch: (document) => replayBatch(migration.options, document),
            idle: async () => {
              const limitMs = isHeard ? LOOK_MS.heard : LOOK_MS.unheard;
              const wake = await captured.wait(limitMs, pulse.signal);
              isHeard = wake !== undefined;
              return wake?.document;
            },
            onProgress: ({ applied, rate, asOf }) => {
              pulse.touch();
              Object.assign(status, {
                applied,
                changesPerSecond: rate,
                ...(asOf && { appliedUpTo: asOf.toISOString() }),
              });
            },
          });
        } catch (error) {
          // A successor ends this attempt's commands in the server: whatever they fail with, it is
          // the newer epoch that tells why.
          await orSucceeded(opened.control, 'replay', taken, error);
        }
      }
    },
  );
}

/** What `replayRanges` needs of a migration, but for the session. */
export function replayTarget(
  opened: Opened,
  { traits }: Migration,
  taken: ControlDocument,
  pulse: Pulse,
) {
  const { control } = opened;
  const { epoch } = taken.replay;
  const fence = (session: ClientSession) => control.fenceReplay(epoch, session);
  return {
    db: opened.target,
    collection: opened.targetCollection,
    source: opened.source,
    sourceCollection: opened.sourceCollection,
    control,
    epoch,
    fence,
    check: () => control.check('replay', epoch),
    refusals: new Refusals(control, fence),
    exactOnly: traits.exactOnly,
    capped: traits.capped,
    clustered: traits.clustered,
    signal: pulse.signal,
    touch: pulse.touch,
  };
}
