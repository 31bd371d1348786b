import { setTimeout as sleep } from 'node:timers/promises';
import { type Control, FencedError } from '../mongo/control.js';
import { Crowd } from '../crowd.js';
import type { ControlDocument, Role } from '../mongo/control-document.js';
import type { Pulse } from './pulse.js';

/**
 * Between two looks whether the cutover has let go, in ms. Where a group cuts over all its collections stand by at once,
 * and what they ask would be in the way of what they wait for: 1,500 roles that looked twice a second took all that a
 * worker can do.
 */
const POLL_MS = { least: 500, each: 5, most: 5_000 } as const;
const standing = new Crowd();

/** Takes the role's next epoch as soon as no cutover holds the migration. */
export async function untilReleased(
  control: Control,
  role: Role,
  pulse: Pulse,
  take: () => Promise<ControlDocument | undefined> = () => control.takeEpoch(role),
): Promise<ControlDocument> {
  using place = standing.place();
  for (;;) {
    pulse.touch();
    // Not before it lets go: taking over ends what the one before has under way, and that is the cutover.
    const { holder } = await control.read();
    const taken = holder === 'cutover' ? undefined : await take();
    if (taken) return taken;
    place.set(true);
    await sleep(standing.stretch(POLL_MS.least, POLL_MS), undefined, { signal: pulse.signal });
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
