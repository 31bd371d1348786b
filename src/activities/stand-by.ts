import { setTimeout as sleep } from 'node:timers/promises';
import { type Control, FencedError } from '../mongo/control.js';
import type { ControlDocument, Role } from '../mongo/control-document.js';
import type { Pulse } from './pulse.js';

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
 * Says why a role's work has failed. Returns when a cutover holds the migration or has held it, which is
 * no failure: the role stands by.
 * @param taken what the role has begun with.
 * @throws FencedError when a newer attempt has taken over, whose doing it is then; else the error.
 */
export async function orSucceeded(
  control: Control,
  role: Role,
  taken: ControlDocument,
  error: unknown,
): Promise<void> {
  const document = await control.read();
  const [before = 0, now = 0] = [taken, document].map((each) => each[role]?.epoch);
  if (now === before) throw error;
  // A hold is one epoch, and so is a newer attempt: one epoch and a hold are no newer attempt.
  const wasHeld = now === before + 1 && document.heldAt?.getTime() !== taken.heldAt?.getTime();
  if (document.holder !== 'cutover' && !wasHeld) throw new FencedError(role);
}
