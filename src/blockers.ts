/** Blockers of a cutover that a person may overrule; the others are no matter of opinion. */
export const forcible = ['verification', 'differences', 'lag'] as const;

/** Whether a blocker is overruled by its name. */
export function isForced(code: string, force: readonly string[]): boolean {
  return forcible.some((known) => known === code) && force.includes(code);
}
