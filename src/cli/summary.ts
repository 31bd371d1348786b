import { shorten } from '../shorten.js';

/** Temporal refuses a start whose summary has more than 400 bytes with its envelope; a character has three at most. */
const MOST_LETTERS = 120;

/** What is shown beside a workflow's id in Temporal's UI, as long as it may be. */
export function summaryOf(text: string): string {
  return shorten(text, MOST_LETTERS);
}
