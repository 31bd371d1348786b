import type { GroupBlocker } from '../../group.js';
import { firstOf } from '../../shorten.js';
import { isFinal } from '../phases.js';
import { type GroupState, hasFailed, isCopied, isToCutOver, type MemberState } from './state.js';

/** Names in a message; status has all. */
const SHOWN = 5;

/**
 * What speaks against a cutover of a group by what the group knows itself; the collections are asked when it
 * begins.
 * @param leave namespaces that it leaves as they are.
 * @param isBusy whether another one is asked for or under way.
 */
export function groupBlockers(
  state: GroupState,
  leave: readonly string[],
  isBusy: boolean,
): GroupBlocker[] {
  const blockers: GroupBlocker[] = [];
  const add = (code: string, message: string) => blockers.push({ code, message });
  if (isFinal(state.phase)) add('ended', `the migration is ${state.phase}`);
  if (state.aborting) add('aborting', 'the migration is being aborted');
  if (isBusy) add('cuttingOver', 'a cutover is under way');
  if (state.paused) add('paused', 'the migration is paused: send resume');
  if (blockers.length > 0) return blockers;
  const going = state.members.filter(({ namespace }) => !leave.includes(namespace));
  const uncopied = going.filter((member) => isToCutOver(member) && !isCopied(member));
  if (state.members.length === 0 || uncopied.length > 0) {
    const whose = uncopied.length > 0 ? ` of ${name(uncopied)}` : '';
    add('copy', `the copy${whose} is not finished`);
  }
  const failed = going.filter(hasFailed);
  if (failed.length > 0) {
    add(
      'failed',
      `${name(failed)} ended without a cutover: send retry, or cut over without (leave)`,
    );
  }
  if (blockers.length === 0 && !going.some(isToCutOver)) {
    add('none', 'no collection is left to be cut over');
  }
  return blockers;
}

/** Namespaces of which a message speaks: the first of them, and how many more. */
export function name(members: readonly Pick<MemberState, 'namespace'>[]): string {
  return firstOf(
    members.map(({ namespace }) => namespace),
    SHOWN,
  );
}
