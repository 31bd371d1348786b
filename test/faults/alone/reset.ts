import type { WorkflowHandle } from '@temporalio/client';
import type { Scene } from '../scene.js';
import { until } from '../skipped.js';
import { pendingOf } from '../temporal.js';
import { type Cases, endsEqual, loaded } from './case.js';
import { holdIn } from './in-phase.js';

/** The step that copies the first partition. */
const FIRST_COPY = { dump: 'dump', direct: 'copyPartition' } as const;

/** The workflow, set back to an event of its history: what it has done since is done at the servers. */
export const resets: Cases = {
  'workflow-reset': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      const { environment } = scene;
      await scene.startWorker();
      const first = await environment.migrate(items.name, { copy });
      await environment.until(first, 'replay', ({ phase }) => phase === 'ready');
      return endsEqual(scene, items, await reset(scene, first));
    },
  },

  'workflow-reset-to-the-middle': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      const { environment } = scene;
      await scene.startWorker();
      let handle = await environment.migrate(items.name, { copy });
      for (const step of ['replay', 'renameStaging', 'buildIndexes', FIRST_COPY[copy], 'capture']) {
        await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
        handle = await reset(scene, handle, step);
      }
      return endsEqual(scene, items, handle);
    },
  },

  'workflow-reset-while-it-copies': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      const { items, handle, letGo } = await holdIn(scene, 'copying', copy);
      try {
        // To the beginning, and then to the middle.
        for (const step of [undefined, FIRST_COPY[copy]]) {
          await reset(scene, handle, step);
          await until('the copy', async () =>
            (await pendingOf(scene, handle.workflowId)).some(
              ({ activityType }) => activityType?.name === FIRST_COPY[copy],
            ),
          );
        }
      } finally {
        await letGo();
      }
      return endsEqual(scene, items, current(scene, handle));
    },
  },
};

/**
 * Sets a workflow back to where it asked for a step the first time, or to its beginning.
 * @returns its new run
 */
async function reset(scene: Scene, handle: WorkflowHandle, step?: string): Promise<WorkflowHandle> {
  const { workflowId } = handle;
  const { events } = await current(scene, handle).fetchHistory();
  const eventId = step
    ? events?.find(
        ({ activityTaskScheduledEventAttributes: asked }) => asked?.activityType?.name === step,
      )?.activityTaskScheduledEventAttributes?.workflowTaskCompletedEventId
    : events?.find((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
  if (!eventId) throw new Error(`the history has no ${step ?? 'task'}`);
  const { runId } = await scene.environment.client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    reason: 'by a test',
    workflowTaskFinishEventId: eventId,
    requestId: `${workflowId}-reset-${step}`,
  });
  const now = current(scene, handle);
  const described = await now.describe();
  if (described.runId !== runId) throw new Error(`${described.runId} runs, not ${runId}`);
  return now;
}

/** The run that is the workflow's last one now. */
function current({ environment }: Scene, { workflowId }: WorkflowHandle): WorkflowHandle {
  return environment.client.workflow.getHandle(workflowId);
}
