/** Part of the `_id` of documents in `cdc` that belong to one copy. The first has none, as before there were others. */
export function roundKey(round: number): { readonly round?: number } {
  return round === 0 ? {} : { round };
}

/** Finds those of one copy alone: `null` is also what is missing. */
export function ofRound(round: number): { readonly '_id.round': number | null } {
  return { '_id.round': round === 0 ? null : round };
}
