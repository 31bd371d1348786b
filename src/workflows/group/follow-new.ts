import { condition, isCancellation, patched } from '@temporalio/workflow';
import type { Group } from '../../group.js';
import { MAX_COLLECTIONS } from '../../group-options.js';
import { rename } from '../../namespace-pattern.js';
import { namespace as namespaceSchema } from '../../options.js';
import { messageOf } from '../failure.js';
import { step } from '../steps.js';
import type { Members } from './members.js';
import { type GroupState, isUnderWay, namesKnown } from './state.js';

/** So many are named; each look that finds one is in the history. */
const MOST_APPEARED = 100;

/** What is needed to follow what appears. */
export interface FollowNewContext {
  readonly group: Group;
  readonly state: GroupState;
  readonly members: Members;
  readonly changed: () => void;
}

/** Takes up collections that appear at the source, or names them. Does not return: it is cancelled. */
export async function followNew(context: FollowNewContext): Promise<never> {
  const { group, state, changed } = context;
  try {
    while (state.appeared.length < MOST_APPEARED) {
      const appeared = await step('watchCollections')(group, namesKnown(state));
      for (const namespace of appeared) take(namespace, context);
      changed();
    }
  } catch (error) {
    if (isCancellation(error)) throw error;
    const why = `collections that appear at the source are not noticed: ${messageOf(error)}`;
    state.warnings = [...state.warnings, why];
    changed();
  }
  await condition(() => false);
  throw new Error('nothing can come after this');
}

function take(namespace: string, { group, state, members }: FollowNewContext): void {
  const targetNamespace = rename(namespace, group.options.rename);
  const other = state.members.find((member) => member.targetNamespace === targetNamespace);
  const isFull = state.members.length >= MAX_COLLECTIONS;
  const isEnding = !state.members.some(isUnderWay) && patched('endingGroup');
  const { follow } = group.options;
  const problem = follow ? problemWith(namespace, targetNamespace, group) : undefined;
  // Code before this took such a one up, and its migration failed.
  const isUnfit = problem !== undefined && patched('checkedRename');
  if (follow && !other && !isFull && !isEnding && !isUnfit) {
    void members.add([{ namespace, targetNamespace, documents: 0, bytes: 0 }]);
    return;
  }
  state.appeared = [...state.appeared, namespace];
  if (!follow || isEnding) return;
  const unfit = isUnfit ? problem : 'there are too many';
  const why = other ? `${other.namespace} has that name at the target` : unfit;
  state.warnings = [...state.warnings, `${namespace} is not taken up: ${why}`];
}

function problemWith(
  namespace: string,
  targetNamespace: string,
  { options: { source, target } }: Group,
): string | undefined {
  const checked = namespaceSchema.safeParse(targetNamespace);
  if (!checked.success) {
    return `it is renamed to ${targetNamespace}, which ${checked.error.issues[0]?.message}`;
  }
  const isSame = source === target && namespace === targetNamespace;
  return isSame ? 'it would be copied to itself' : undefined;
}
