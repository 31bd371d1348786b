import type { Document } from 'mongodb';
import { type ChunkLimits, idLimits } from './chunks.js';
import type { RawValue } from './raw.js';

/**
 * `_id`s that one command finds in a clustered collection: each is a query of its own, and a pipeline may have 1,000
 * stages. More were no faster (6.0.5).
 */
const UNITED = 200;

/** How documents are found by `_id`. */
export interface Finding {
  /** The collection is clustered: for a list of `_id`s a server reads all of it (6.0.5, also for `$or`). */
  readonly clustered?: boolean | undefined;
  /** Documents at most, in one reply. */
  readonly limit?: number;
  /** Documents in the first reply; all of them, if left out. */
  readonly batchSize?: number | undefined;
}

/** How many `_id`s one command may have. */
export function limitsOf({ clustered }: Pick<Finding, 'clustered'>): ChunkLimits {
  return clustered ? { ...idLimits, items: UNITED } : idLimits;
}

/** The command that finds documents of these `_id`s, or of such as are equal to them: no more than `limitsOf` says. */
export function findByIds(
  collection: string,
  ids: readonly RawValue[],
  // With as many as are found a server does not know yet that there are no more, and is asked again for them.
  { clustered, limit, batchSize = ids.length + 1 }: Finding,
): Document {
  const size = { batchSize };
  if (!clustered) {
    const end = { ...(limit !== undefined && { limit, singleBatch: true }) };
    return { find: collection, filter: { _id: { $in: ids } }, ...size, ...end };
  }
  const end = limit === undefined ? [] : [{ $limit: limit }];
  const pipeline = [
    ...unite(
      collection,
      ids.map((id) => [matchId(id)]),
    ),
    ...end,
  ];
  return { aggregate: collection, pipeline, cursor: size };
}

/**
 * The stages that give for each document whose `_id` is equal to one of these its own `_id`, and the place of that one
 * as `at`. Of several that are equal the first one, or each.
 */
export function pairStages(
  collection: string,
  ids: readonly RawValue[],
  { clustered }: Pick<Finding, 'clustered'>,
): Document[] {
  if (!clustered) {
    const at = { $indexOfArray: [{ $literal: ids }, '$_id'] };
    return [{ $match: { _id: { $in: ids } } }, { $project: { at } }];
  }
  return unite(
    collection,
    ids.map((id, at) => [matchId(id), { $project: { at: { $literal: at } } }]),
  );
}

function matchId(id: RawValue): Document {
  return { $match: { _id: { $eq: id } } };
}

function unite(
  coll: string,
  [first = [], ...others]: readonly (readonly Document[])[],
): Document[] {
  return [...first, ...others.map((pipeline) => ({ $unionWith: { coll, pipeline } }))];
}
