import type { Blocker } from './migration.js';

/** Blockers of a cutover that a person may overrule; the others are no matter of opinion. */
export const forcible = ['verification', 'differences', 'lag'] as const;

/** Whether a blocker is overruled by its name. */
export function isForced(code: string, force: readonly string[]): boolean {
  return forcible.some((known) => known === code) && force.includes(code);
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
