import { setTimeout as sleep } from 'node:timers/promises';
import type { Control, ControlDocument, Role } from '../mongo/control.js';
import type { Pulse } from './context.js';

const POLL_MS = 250;

/** Takes the role's next epoch as soon as no cutover holds the migration. */
export async function untilReleased(
  control: Control,
  role: Role,
  pulse: Pulse,
  take: () => Promise<ControlDocument | undefined> = () => control.takeEpoch(role),
): Promise<ControlDocument> {
  for (;;) {
    pulse.touch();
    const taken = await take();
    if (taken) return taken;
    await sleep(POLL_MS, undefined, { signal: pulse.signal });
  }
}
