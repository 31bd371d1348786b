/** How large a part of a list may be; a single item may exceed `bytes`. */
export interface ChunkLimits {
  readonly items: number;
  readonly bytes: number;
}

/** Limits of a list of `_id`s in one command: bson encodes a command of 17 MB at most. */
export const idLimits: ChunkLimits = { items: 5_000, bytes: 4 * 1024 * 1024 };

/** Cuts a list into parts of limited length and size, in order. */
export function* chunks<T>(
  list: readonly T[],
  sizeOf: (item: T) => number,
  limits: ChunkLimits,
): Generator<readonly T[]> {
  let start = 0;
  let bytes = 0;
  for (const [index, item] of list.entries()) {
    const size = sizeOf(item);
    const isFull = bytes + size > limits.bytes || index - start >= limits.items;
    if (index > start && isFull) {
      yield list.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (start < list.length) yield start === 0 ? list : list.slice(start);
}
