import { CliError } from './cli-error.js';
import { nameOf } from './next-step.js';
import type { View } from './view.js';

/**
 * Ends a command that has waited for something good.
 * @throws CliError ended when the workflow has failed, was aborted or was ended from outside
 */
export function requireGoodEnd({ workflowId, state, failure }: View): void {
  if (state === 'running' || state === 'completed') return;
  const why = failure === null ? '' : `: ${failure}`;
  const logs = `what happened: csm logs ${nameOf(workflowId)}`;
  throw new CliError('ended', `${workflowId} ${WORDS[state]}${why}`, { todo: [logs] });
}

const WORDS = {
  aborted: 'was aborted',
  failed: 'has failed',
  canceled: 'was canceled',
  terminated: 'was terminated',
  timedOut: 'has timed out',
} as const;
