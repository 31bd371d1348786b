import { CliError } from './cli-error.js';
import { count } from './format.js';
import { endedWithout } from './group-lines.js';
import { nameOf } from './next-step.js';
import { isGroup, type View } from './view.js';

/**
 * Ends a command that has waited for something good.
 * @throws CliError ended when the workflow has failed, was aborted or was ended from outside; also when
 * collections of a group were not cut over
 */
export function requireGoodEnd(view: View): void {
  const { workflowId, state, failure } = view;
  if (state === 'running') return;
  if (state === 'completed') {
    requireAll(view);
    return;
  }
  const why = failure === null ? '' : `: ${failure}`;
  const logs = `what happened: csm logs ${nameOf(workflowId)}`;
  throw new CliError('ended', `${workflowId} ${WORDS[state]}${why}`, { todo: [logs] });
}

function requireAll(view: View): void {
  const left = isGroup(view) && view.status ? endedWithout(view.status) : 0;
  if (left === 0) return;
  const what = `${count(left, 'collection')} of ${view.workflowId} ended without a cutover`;
  throw new CliError('ended', what, {
    todo: [`what happened: csm logs ${nameOf(view.workflowId)}`],
  });
}

const WORDS = {
  aborted: 'was aborted',
  failed: 'has failed',
  canceled: 'was canceled',
  terminated: 'was terminated',
  timedOut: 'has timed out',
} as const;
