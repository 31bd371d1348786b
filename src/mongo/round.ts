import type { Document } from 'mongodb';

/** Part of the `_id` of documents in `cdc` that belong to one copy. The first has none, as before there were others. */
export function roundKey(round: number): { readonly round?: number } {
  return round === 0 ? {} : { round };
}

/** What has a number in `cdc`: partitions of the plan, those that are compared, and differences of them. */
export type NumberedName = 'partition' | 'verified' | 'open' | 'young';

/** `_id`s of a collection's documents in `cdc` that have a number under this name: by index, as there may be many others. */
export function numberedIds(collection: string, name: NumberedName): Document {
  return {
    _id: {
      $gte: { collection, [name]: Number.MIN_SAFE_INTEGER },
      $lt: { collection, [name]: Number.MAX_SAFE_INTEGER },
    },
  };
}

/** Finds those of one copy alone: `null` is also what is missing. */
export function ofRound(round: number): { readonly '_id.round': number | null } {
  return { '_id.round': round === 0 ? null : round };
}
