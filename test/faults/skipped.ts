import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;
/** Ends what would wait for ever. */
const PATIENCE_MS = 90_000;
/** What depends on the moment comes within this time, or is not to be had now. */
const MOMENT_MS = 15_000;

/** Something that could not happen here and now, and why. A run tells it apart from what it has shown. */
export class Skipped extends Error {}

/** What a poll gives while what it looks for is not there. */
type Nothing = undefined | false | null;

/**
 * Looks until something is there.
 *
 * @throws Error when it does not come at all: then the fault did not happen, or did not end
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | Nothing> | T | Nothing,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const found = await lookFor(look, patienceMs);
  if (!isThere(found)) throw new Error(`waited for ${what}`);
  return found;
}

/**
 * Looks for something that is there at some moments of a migration only.
 *
 * @throws Skipped when it is not there for a while
 */
export async function unlessSkipped<T>(
  reason: string,
  look: () => Promise<T | Nothing> | T | Nothing,
  patienceMs = MOMENT_MS,
): Promise<T> {
  const found = await lookFor(look, patienceMs);
  if (!isThere(found)) throw new Skipped(reason);
  return found;
}

async function lookFor<T>(
  look: () => Promise<T | Nothing> | T | Nothing,
  patienceMs: number,
): Promise<T | Nothing> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (isThere(found) || Date.now() > deadline) return found;
    await sleep(POLL_MS);
  }
}

function isThere<T>(found: T | Nothing): found is T {
  return found !== undefined && found !== false && found !== null;
}
