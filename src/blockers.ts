import type { Blocker, DifferenceSummary, RefusedDocuments } from './migration.js';

/** Age of changes that were applied and not compared yet, above which a cutover would take long. */
const UNCOMPARED_SECONDS = 10;

/** Refused documents in a blocker's message; status has more. */
const SHOWN_REFUSED = 5;

/** Blockers of a cutover that a person may overrule; the others are no matter of opinion. */
export const forcible = ['verification', 'differences', 'refused', 'lag'] as const;

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

type Differences = Pick<DifferenceSummary, 'differing' | 'missing' | 'extra'>;

/** Documents that are not the same at both sides, of whichever kind. */
export function countDifferences({ differing, missing, extra }: Differences): number {
  return differing + missing + extra;
}

/** The blocker for documents that are not the same; none when all are. */
export function differenceBlockers(found: Differences): Blocker[] {
  if (countDifferences(found) === 0) return [];
  const { differing, missing, extra } = found;
  return [
    {
      code: 'differences',
      message: `documents differ: ${differing} in content, ${missing} missing, ${extra} extra at the target`,
    },
  ];
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

/** The worker was away when it was time, or died in the midst of it. */
export function missedBlocker(notAfter: string | undefined): Blocker {
  const message = `the cutover could not be done before ${notAfter}: no worker was there to do it`;
  return { code: 'missed', message };
}

/** The blocker for documents that the target does not take; none when it takes all. */
export function refusedBlockers(refused: RefusedDocuments | undefined): Blocker[] {
  if (!refused || refused.count === 0) return [];
  const shown = refused.first.slice(0, SHOWN_REFUSED).map(({ id, why }) => `${id} (${why})`);
  const more = refused.count > shown.length ? ', …' : '';
  return [
    {
      code: 'refused',
      message:
        `the target does not take ${refused.count} of the source's documents, because of its version ` +
        `or an index: ${shown.join(', ')}${more}; change or delete them at the source`,
    },
  ];
}
