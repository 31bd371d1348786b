/** How far apart the moments are at which what waits for long goes on, in ms. */
const TICK_MS = 1_000;

/**
 * `ms`, and as much more as there is until the next moment at which others go on that wait for long. A process that
 * is woken for one command at a time takes three times as much CPU for it as for one of many (docs/performance.md).
 */
export function untilTick(ms: number, now = performance.now()): number {
  const at = now + ms;
  return Math.ceil(at / TICK_MS) * TICK_MS - now;
}
