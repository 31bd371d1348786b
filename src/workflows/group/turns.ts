import type { MemberState } from './state.js';

/**
 * The collections that are given their turn to be copied now: the largest of those that ask for it, after
 * those larger ones whose place is kept.
 * @param room how many more may be copied.
 */
export function nextToCopy(members: readonly MemberState[], room: number): MemberState[] {
  return members
    .filter((member) => !member.turn && (isAsking(member) || isExpected(member)))
    .toSorted(largestFirst)
    .slice(0, Math.max(0, room))
    .filter(isAsking);
}

/** Puts the largest collection first. */
export function largestFirst(
  one: Pick<MemberState, 'bytes'>,
  other: Pick<MemberState, 'bytes'>,
): number {
  return other.bytes - one.bytes;
}

/** It may say that it can be copied before its start is confirmed, and nothing can be sent to it until then. */
function isAsking({ phase, runId }: MemberState): boolean {
  return phase === 'copying' && runId !== undefined;
}

function isExpected({ phase, keepsPlace }: MemberState): boolean {
  return keepsPlace === true && (phase === 'preflight' || phase === 'copying');
}
