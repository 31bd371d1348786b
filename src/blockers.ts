import type { Blocker } from './migration.js';

/** Age of changes that were applied and not compared yet, above which a cutover would take long. */
const UNCOMPARED_SECONDS = 10;

/** Blockers of a cutover that a person may overrule; the others are no matter of opinion. */
export const forcible = ['verification', 'differences', 'lag'] as const;

/** Whether a blocker is overruled by its name. */
export function isForced(code: string, force: readonly string[]): boolean {
  return forcible.some((known) => known === code) && force.includes(code);
}

/**
 * Seconds by which the comparison of changed documents is behind the replay.
 * @returns nothing while it is not worth speaking of, or has not begun.
 */
export function uncomparedSeconds(
  applied: Date | undefined,
  compared: Date | undefined,
): number | undefined {
  if (!applied || !compared) return undefined;
  const seconds = Math.round((applied.getTime() - compared.getTime()) / 1000);
  return seconds > UNCOMPARED_SECONDS ? seconds : undefined;
}

/** Says that changed documents have to be compared first. */
export function verificationBehind(seconds: number): Blocker {
  return {
    code: 'verification',
    message: `the comparison of changed documents is ${seconds} seconds behind the replay`,
  };
}

/** The blocker for indexes and options that the target does not have yet. */
export function shapeBlocker(
  left: readonly { readonly what: string; readonly problem?: string }[],
): Blocker {
  const shown = left.map(({ what, problem }) =>
    problem === undefined ? what : `${what} (${problem})`,
  );
  return {
    code: 'shape',
    message: `the target does not have all of the source's indexes and options yet: ${shown.join(', ')}`,
  };
}
