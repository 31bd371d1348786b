/** Characters of one value, name or sentence of a server's that people are shown. */
const SHOWN = 200;

/**
 * Text of a length that results, status, messages and heartbeats may have: what comes from documents, and
 * what servers say of them, may be as long as a document, and Temporal takes 2 MB at most. Ends with `…`
 * where it was cut, and never within a character.
 */
export function shorten(text: string, most = SHOWN): string {
  return text.length > most ? `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : text;
}

/**
 * The first of some names, and how many more: `a, b and 3 more`.
 * @param all how many there are, where these are the first ones only.
 */
export function firstOf(names: readonly string[], shown: number, all = names.length): string {
  const first = names.slice(0, shown);
  const more = all - first.length;
  return `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Characters of a resume token that are shown: it holds the whole `_id` of a document. */
export const SHOWN_TOKEN = 2_000;
