import { type MemberLine, memberPhases } from './lines.js';

/** Lags in the same span of seconds are alike: they change all the time, and lines would change places. */
const SPAN = 5;

/** Collections with those first that are least far, and before them those that have ended without a cutover. */
export function leastFarFirst(lines: readonly MemberLine[]): MemberLine[] {
  const rank = ({ phase, copiedPercent }: MemberLine) => {
    const hasEnded = phase === 'failed' || phase === 'aborted';
    return (hasEnded ? -1 : memberPhases.indexOf(phase)) * 1_000 + (copiedPercent ?? 0);
  };
  const span = ({ lagSeconds }: MemberLine) => Math.floor((lagSeconds ?? 0) / SPAN);
  return lines.toSorted(
    (one, other) =>
      rank(one) - rank(other) ||
      span(other) - span(one) ||
      one.namespace.localeCompare(other.namespace),
  );
}
