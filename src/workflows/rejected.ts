import { shorten } from '../shorten.js';

/** Rejected messages that status shows. */
const MOST = 20;

/** Characters of one: a payload may be as large as Temporal takes it, and status stays small. */
const LONGEST = 1_000;

/** Said of a dry run that has nobody to answer. */
export const DRY_RUN_SIGNAL =
  'cutover with dryRun does nothing as a signal, which has no answer: send the update';

/** A message that was not understood. */
export interface Rejected {
  readonly at: string;
  readonly message: string;
}

/** Notes a message that was not understood, for the status. */
export function noteRejected(state: { rejected: Rejected[] }, { at, message }: Rejected): void {
  const noted = { at, message: shorten(message, LONGEST) };
  state.rejected = [...state.rejected, noted].slice(-MOST);
}
