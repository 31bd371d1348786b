import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { isForced, refusedBlockers, uncomparedSeconds, verificationBehind } from '../blockers.js';
import type { Blocker, Migration } from '../migration.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { isStalled, lagSeconds } from '../mongo/lag.js';
import type { Opened, Pulse } from './context.js';

/** Capture writes every two seconds; after this silence it is being started again (ms). */
const SILENT_MS = 4_000;
/** How long a cutover waits for that, in ms. */
const RESTART_MS = 60_000;
const POLL_MS = 250;

/**
 * Blockers, given time while capture and comparison are being started again: after the loss of a
 * worker that takes Temporal a heartbeat timeout, and a cutover that was asked for just then need not
 * be asked for twice. One that an earlier attempt has begun goes on.
 */
export async function findSettledBlockers(
  { control }: Opened,
  migration: Migration,
  force: readonly string[],
  { signal, touch }: Pulse,
): Promise<readonly Blocker[]> {
  const deadline = Date.now() + RESTART_MS;
  // Capture may be back before replay and comparison are: their lag passes too.
  let isRestart = Context.current().info.attempt > 1;
  for (;;) {
    const document = await control.read();
    if (document.holder === 'cutover') return [];
    const blockers = findBlockers(document, migration, force);
    const silentMs = Date.now() - (document.capture.at?.getTime() ?? 0);
    isRestart ||= silentMs >= SILENT_MS || blockers.some(({ code }) => code === 'verification');
    if (blockers.length === 0 || !isRestart || Date.now() > deadline) return blockers;
    touch();
    await sleep(POLL_MS, undefined, { signal });
  }
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
  const uncompared = uncomparedSeconds(control.replay.asOf, control.verify?.asOf);
  if (uncompared !== undefined) blockers.push(verificationBehind(uncompared));
  blockers.push(...refusedBlockers(control.refused));
  return blockers.filter(({ code }) => !isForced(code, force));
}
