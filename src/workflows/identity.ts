import { workflowInfo } from '@temporalio/workflow';

/** Which workflow this is. The run stays the same when the workflow is reset, so that it finds its own state. */
export function identityOfRun(): { readonly workflowId: string; readonly runId: string } {
  const { workflowId, runId, originalExecutionRunId } = workflowInfo();
  return { workflowId, runId: originalExecutionRunId ?? runId };
}

/** The workflow's time, ISO 8601. */
export function now(): string {
  return new Date(Date.now()).toISOString();
}

/** When the workflow was started, in ms; a reset does not change it. */
export function startedAt(): number {
  return workflowInfo().startTime.getTime();
}
