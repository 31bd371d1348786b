/** Rejected messages that status shows. */
const MOST = 20;

/** Said of a dry run that has nobody to answer. */
export const DRY_RUN_SIGNAL =
  'cutover with dryRun does nothing as a signal, which has no answer: send the update';

/** A message that was not understood. */
export interface Rejected {
  readonly at: string;
  readonly message: string;
}

/** Notes a message that was not understood, for the status. */
export function noteRejected(state: { rejected: Rejected[] }, rejected: Rejected): void {
  state.rejected = [...state.rejected, rejected].slice(-MOST);
}
