import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import {
  isForced,
  refusedBlockers,
  shapeBlocker,
  uncomparedSeconds,
  verificationBehind,
} from '../blockers.js';
import type { Blocker, Migration } from '../migration.js';
import { readUuid } from '../mongo/catalogue.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { isRefusal, ShapeRefusedError } from '../mongo/final-form.js';
import { comparedAsOf, isStalled, lagSeconds } from '../mongo/lag.js';
import type { Opened } from './context.js';
import type { Pulse } from './pulse.js';

/** Capture writes every four seconds; after this silence of a role it is being started again (ms). */
const SILENT_MS = 8_000;
/** How long a cutover waits for that, and for a lag that is only a moment's, in ms. */
const PATIENCE_MS = { restart: 60_000, lag: 5_000 } as const;
const POLL_MS = 250;

/**
 * Blockers, given time while capture, replay and comparison are being started again: after the loss
 * of a worker that takes Temporal a heartbeat timeout, and a cutover that was asked for just then need
 * not be asked for twice. One that an earlier attempt has begun goes on.
 */
export async function findSettledBlockers(
  { control }: Opened,
  migration: Migration,
  force: readonly string[],
  { signal, touch }: Pulse,
): Promise<readonly Blocker[]> {
  const begun = Date.now();
  const { attempt } = Context.current().info;
  let patienceMs = 0;
  for (;;) {
    const document = await control.read();
    if (document.holder === 'cutover') return [];
    const blockers = findBlockers(document, migration, force);
    patienceMs = Math.max(patienceMs, choosePatience(document, blockers, attempt));
    if (blockers.length === 0 || Date.now() - begun > patienceMs) return blockers;
    touch();
    await sleep(POLL_MS, undefined, { signal });
  }
}

/**
 * How long a cutover waits for what speaks against it to pass by itself.
 * @param attempt of the cutover, from 1.
 * @returns ms.
 */
export function choosePatience(
  document: Pick<ControlDocument, 'capture' | 'replay'>,
  blockers: readonly Blocker[],
  attempt: number,
  now = new Date(),
): number {
  const has = (code: string) => blockers.some((blocker) => blocker.code === code);
  const isSilent = (at: Date | undefined) => now.getTime() - (at?.getTime() ?? 0) >= SILENT_MS;
  // Capture may be back before replay and comparison are: their lag passes too. A replay that has
  // nothing to do is silent as well, but then there is no lag.
  const isRestart =
    attempt > 1 ||
    isSilent(document.capture.at) ||
    (has('lag') && isSilent(document.replay.at)) ||
    has('verification');
  if (isRestart) return PATIENCE_MS.restart;
  return has('lag') ? PATIENCE_MS.lag : 0;
}

/** What the state of the target says against a cutover now. */
export function findBlockers(
  control: ControlDocument,
  { options }: Migration,
  force: readonly string[],
): readonly Blocker[] {
  const blockers: Blocker[] = [];
  const lag = lagSeconds(control);
  if (isStalled(control)) {
    blockers.push({
      code: 'stalled',
      message: 'the capture has stood still for 30 s: is a worker running, do both sides answer?',
    });
  } else if (lag === undefined || lag > options.maxLagSeconds) {
    blockers.push({
      code: 'lag',
      message: `the target is ${lag ?? 'an unknown number of'} seconds behind; allowed are ${options.maxLagSeconds} (maxLagSeconds)`,
    });
  }
  const uncompared = uncomparedSeconds(control.replay.asOf, comparedAsOf(control));
  if (uncompared !== undefined) blockers.push(verificationBehind(uncompared));
  blockers.push(...refusedBlockers(control.refused));
  return blockers.filter(({ code }) => !isForced(code, force));
}

/** What the servers' answer to `enforceFinal` speaks against the cutover. @throws all else. */
export function refusalOf(error: unknown): readonly Blocker[] {
  if (error instanceof ShapeRefusedError) return [shapeBlocker([error])];
  if (!isRefusal(error)) throw error;
  return [{ code: 'indexes', message: error.message }];
}

/** Says that the collection at the target is not the one that was copied; nothing when it is. */
export async function findForeignTarget(
  { target, targetCollection }: Pick<Opened, 'target' | 'targetCollection'>,
  { stagingUuid }: Pick<ControlDocument, 'stagingUuid'>,
): Promise<Blocker | undefined> {
  const found = await readUuid(target, targetCollection);
  if (!stagingUuid || found?.equals(stagingUuid)) return undefined;
  const name = `${target.databaseName}.${targetCollection}`;
  const message =
    `${name} at the target is not the collection that was copied: somebody has dropped ` +
    `${found ? 'and made it again' : 'it'} while the migration ran; send "restart", which copies it anew` +
    (found ? ', and drop or rename what has its name' : '');
  return { code: 'target', message };
}
