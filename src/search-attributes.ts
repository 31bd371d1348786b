import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

/**
 * What people can search migrations by in Temporal, once it was registered there (`csm setup`). All or
 * none: a workflow that sets one which is not registered would hang. The names never change.
 */
export const searchAttributes = {
  phase: defineSearchAttributeKey('CsmPhase', SearchAttributeType.KEYWORD),
  namespace: defineSearchAttributeKey('CsmNamespace', SearchAttributeType.KEYWORD),
  source: defineSearchAttributeKey('CsmSource', SearchAttributeType.KEYWORD),
  target: defineSearchAttributeKey('CsmTarget', SearchAttributeType.KEYWORD),
  /** See `Trouble`; not there while there is none. */
  problem: defineSearchAttributeKey('CsmProblem', SearchAttributeType.KEYWORD),
} as const;

/** Their names, as Temporal shows them. */
export const searchAttributeNames = Object.values(searchAttributes).map(({ name }) => name);

/** Temporal's number of their type, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD. */
export const KEYWORD_TYPE = 2;

/** Those of the names that are not among the registered ones, or are of another type there. */
export function missingAttributes(
  registered: Readonly<Record<string, unknown>> | null | undefined,
): string[] {
  return searchAttributeNames.filter((name) => registered?.[name] !== KEYWORD_TYPE);
}
