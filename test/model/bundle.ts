import type { Id } from './stream.js';

/** The buffer of the model: what is inserted together, and what of it is in a range. */

/** What the buffer holds of an event: the version read back, 0 for a delete. */
export interface Entry {
  readonly token: number;
  readonly id: Id;
  readonly version: number;
}

/** Entries that are inserted together, known by their last token and who put them together. */
export interface Bundle {
  readonly token: number;
  /** 0 for a single entry, which is the same whoever has it. */
  readonly mark: number;
  readonly entries: readonly Entry[];
}

/** All ways to put entries together, in order; who does it stands before or behind others with the same end. */
export function together(entries: readonly Entry[], epoch: number): Bundle[][] {
  const [first, ...rest] = entries.toSorted((one, other) => one.token - other.token);
  const last = rest.at(-1);
  const each = entries.map((entry): Bundle => ({ token: entry.token, mark: 0, entries: [entry] }));
  if (!first || !last) return [each];
  return [
    each,
    ...[epoch, -epoch].map((mark) => [{ token: last.token, mark, entries: [first, ...rest] }]),
  ];
}

/** The buffer with a bundle; one of the same end and mark is left as it is. */
export function insert(
  buffer: readonly Bundle[],
  bundle: Bundle,
  isMarked: boolean,
): readonly Bundle[] {
  const isSame = ({ token, mark }: Bundle) =>
    token === bundle.token && (mark === bundle.mark || !isMarked);
  if (buffer.some(isSame)) return buffer;
  // A single one stands before all others: it has no mark.
  const rank = ({ mark }: Bundle) => (mark === 0 ? Number.NEGATIVE_INFINITY : mark);
  return [...buffer, bundle].toSorted((one, other) =>
    one.token === other.token ? rank(one) - rank(other) : one.token - other.token,
  );
}

/** Entries of the bundles that end after one token and not after another, in order. */
export function inRange(buffer: readonly Bundle[], after: number, end: number): readonly Entry[] {
  const bundles = buffer.filter(({ token }) => token > after && token <= end);
  return bundles.flatMap(({ entries }) => entries);
}
