import { type MemberLine, memberPhases } from './status.js';

/** Collections with those first that are least far, and before them those that have ended without a cutover. */
export function leastFarFirst(lines: readonly MemberLine[]): MemberLine[] {
  const rank = ({ phase, copiedPercent }: MemberLine) => {
    const hasEnded = phase === 'failed' || phase === 'aborted';
    return (hasEnded ? -1 : memberPhases.indexOf(phase)) * 1_000 + (copiedPercent ?? 0);
  };
  return lines.toSorted(
    (one, other) =>
      rank(one) - rank(other) ||
      (other.lagSeconds ?? 0) - (one.lagSeconds ?? 0) ||
      one.namespace.localeCompare(other.namespace),
  );
}
