import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientSession, Db, Document } from 'mongodb';
import { errorCode, isUnauthorized } from './catalogue.js';
import type { Control } from './control.js';
import type { ControlDocument } from './control-document.js';
import { runCommand } from './raw.js';

/** A `$merge` ends by itself after this, should nobody be permitted to end it (ms). */
export const MERGE_TIME_LIMIT_MS = 60_000;
const POLL_MS = 20;
/** What a deployment says that has no `$currentOp`. */
const UNKNOWN_STAGE = 40324;

/** Comment of every long command of a run's replay, by which a successor finds it in the server. */
export function replayComment(runId: string, epoch: number): string {
  return `changestream-migration ${runId} replay ${epoch}`;
}

/**
 * Takes over the writing to the target: from the return on, nothing that a predecessor started is
 * still running in the server, and nothing that it sends later has an effect.
 * `take` moves the epoch; it is handed the session's id to record for the next successor.
 * @returns what `take` returned; nothing when it was refused.
 */
export async function takeOverReplay(
  control: Control,
  session: ClientSession,
  take: () => Promise<ControlDocument | undefined>,
): Promise<ControlDocument | undefined> {
  const before = await control.read();
  const predecessor = before.replay.session;
  // An open transaction of a predecessor holds the control document until it times out.
  if (predecessor) await killSession(control.db, predecessor);
  const taken = await take();
  if (!taken) return undefined;
  await control.advance('replay', taken.replay.epoch, { session: session.id });
  if (predecessor) await killSession(control.db, predecessor);
  await endMerges(control.db, control.runId, taken.replay.epoch);
  return taken;
}

/** Ends transactions and commands of a session of the same user. */
async function killSession(db: Db, id: Document): Promise<void> {
  await runCommand(db.client.db('admin'), { killSessions: [id] });
}

/** Kills the `$merge` commands of earlier epochs and returns when none is left. */
async function endMerges(db: Db, runId: string, epoch: number): Promise<void> {
  const admin = db.client.db('admin');
  const own = replayComment(runId, epoch);
  const prefix = replayComment(runId, 0).replace(/0$/, '');
  const deadline = Date.now() + MERGE_TIME_LIMIT_MS;
  for (;;) {
    const reply = await runCommand(admin, {
      aggregate: 1,
      pipeline: [
        { $currentOp: {} },
        {
          $match: {
            'command.comment': { $gte: prefix, $lt: `${prefix}:`, $ne: own },
          },
        },
        { $project: { opid: 1 } },
      ],
      cursor: {},
    }).catch(async (error: unknown) => {
      // Some hosted deployments refuse $currentOp: there the time limit of the commands ends them.
      if (!isUnauthorized(error) && errorCode(error) !== UNKNOWN_STAGE) throw error;
      await sleep(MERGE_TIME_LIMIT_MS);
      return undefined;
    });
    const operations = (reply?.cursor?.firstBatch ?? []) as { opid: unknown }[];
    if (operations.length === 0) return;
    if (Date.now() > deadline) {
      throw new Error('a write of an earlier attempt is still running in the target server');
    }
    for (const { opid } of operations) {
      await runCommand(admin, { killOp: 1, op: opid }).catch(() => undefined);
    }
    await sleep(POLL_MS);
  }
}
