import { setTimeout as sleep } from 'node:timers/promises';
import { Crowd } from '../crowd.js';
import { untilTick } from '../tick.js';
import type { Migration } from '../migration.js';
import { isStalled } from '../mongo/lag.js';
import type { Control } from '../mongo/control.js';
import { troubleIn } from '../pending-activities.js';
import { type ActivityDependencies, open } from './context.js';
import { withPulse } from './pulse.js';

/** It is for lists and alerts, where nobody counts seconds; each look asks Temporal. */
const POLL_MS = { least: 5_000, each: 150, most: 30_000 } as const;
const lookers = new Crowd();

/**
 * Returns once something else is wrong with a migration than before: an activity that fails again and
 * again or is paused, a capture that has stopped, a buffer that is full. Reads only; safe to run again.
 * @param last what was wrong before; null for nothing.
 * @returns what is wrong now, in a few words that stay the same while it lasts; null for nothing.
 */
export async function untilProblemChanges(
  deps: Pick<ActivityDependencies, 'connections' | 'readPending'>,
  migration: Migration,
  last: string | null,
): Promise<string | null> {
  const { control } = open(deps, migration);
  using _ = lookers.join();
  return await withPulse(
    () => ({ doing: 'looking for what is wrong', found: last }),
    async ({ signal, touch }) => {
      for (;;) {
        const found =
          troubleIn(await deps.readPending(migration.workflowId)) ?? (await troubleAt(control));
        if (found !== last) return found;
        touch();
        await sleep(untilTick(lookers.stretch(POLL_MS.least, POLL_MS)), undefined, { signal });
      }
    },
  );
}

async function troubleAt(control: Control): Promise<string | null> {
  // Servers that do not answer make other activities fail, which says it better.
  const document = await control.find().catch(() => undefined);
  if (!document) return null;
  if (document.capture.fullSince) return 'buffer is full';
  return isStalled(document) ? 'capture is stalled' : null;
}
