import { setTimeout as sleep } from 'node:timers/promises';
import { type Control, FencedError } from '../mongo/control.js';
import type { ControlDocument, Role } from '../mongo/control-document.js';
import type { Pulse } from './context.js';

/** Many collections stand by at once where a group cuts over. */
const POLL_MS = 500;

/** Takes the role's next epoch as soon as no cutover holds the migration. */
export async function untilReleased(
  control: Control,
  role: Role,
  pulse: Pulse,
  take: () => Promise<ControlDocument | undefined> = () => control.takeEpoch(role),
): Promise<ControlDocument> {
  for (;;) {
    pulse.touch();
    // Not before it lets go: taking over ends what the one before has under way, and that is the cutover.
    const { holder } = await control.read();
    const taken = holder === 'cutover' ? undefined : await take();
    if (taken) return taken;
    await sleep(POLL_MS, undefined, { signal: pulse.signal });
  }
}

/**
 * Says why a role's work has failed. Returns when the cutover holds the migration, which is no
 * failure: the role stands by.
 * @throws FencedError when a newer attempt has taken over, whose doing it is then; else the error.
 */
export async function orSucceeded(
  control: Control,
  role: Role,
  epoch: number,
  error: unknown,
): Promise<void> {
  const document = await control.read();
  if (document[role]?.epoch === epoch) throw error;
  if (document.holder !== 'cutover') throw new FencedError(role);
}
