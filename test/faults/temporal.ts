import type { WorkflowHandle } from '@temporalio/client';
import type { WorkerProcess } from '../e2e/environment.js';
import type { Scene } from './scene.js';

type Described = Awaited<ReturnType<WorkflowHandle['describe']>>['raw'];
/** An activity that is under way, as Temporal describes it. */
export type Pending = NonNullable<Described['pendingActivities']>[number];

/** A migration's activities that are under way. */
export async function pendingOf(scene: Scene, workflowId: string): Promise<readonly Pending[]> {
  const handle = scene.environment.client.workflow.getHandle(workflowId);
  return (await handle.describe()).raw.pendingActivities ?? [];
}

/** Whether Temporal has given one of the migrations' activities to a worker. */
export async function isAtWork(scene: Scene, { process }: WorkerProcess): Promise<boolean> {
  for (const { workflowId } of scene.handles) {
    for (const { lastWorkerIdentity } of await pendingOf(scene, workflowId)) {
      if (lastWorkerIdentity?.startsWith(`${process.pid}@`)) return true;
    }
  }
  return false;
}

/** What Temporal's service is asked with about one activity. */
export function requestOf(workflowId: string, { activityId }: Pending) {
  const execution = { workflowId };
  return { namespace: 'default', identity: 'faults', execution, id: activityId ?? '' };
}
