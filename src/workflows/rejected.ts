/** Rejected messages that status shows. */
const MOST = 20;

/** A message that was not understood. */
export interface Rejected {
  readonly at: string;
  readonly message: string;
}

/** Notes a message that was not understood, for the status. */
export function noteRejected(state: { rejected: Rejected[] }, rejected: Rejected): void {
  state.rejected = [...state.rejected, rejected].slice(-MOST);
}
