import { once } from 'node:events';
import { CancelledFailure, type WorkflowHandle, WorkflowFailedError } from '@temporalio/client';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import { holdCommands } from '../fail-command.js';
import type { Scene } from '../scene.js';
import { type Case, type Cases, isEqual, loaded, nothingLeft } from './case.js';
import { type HeldPhase, heldPhases, holdIn } from './in-phase.js';

type Copy = Parameters<Case['run']>[2];

/** Temporal's own cancellation. */
export const cancellations: Cases = {
  'cancelled-in-each-phase': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      const problems: string[] = [];
      for (const phase of heldPhases.filter((each) => each !== 'cuttingOver')) {
        problems.push(...(await cancelledIn(scene, phase, copy)));
      }
      return problems;
    },
  },

  // While the target is not open, everything is as before the cutover; from then on there is only forward.
  'cancelled-in-the-cutover': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      return [
        ...(await cancelledIn(scene, 'cuttingOver', copy)),
        ...(await cancelledWhenOpen(scene, copy)),
      ];
    },
  },

  // The next attempt may be through before it hears of it.
  'cancelled-in-the-cutover-of-a-dead-worker': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      const worker = await scene.startWorker({ CSM_TEST_FAILPOINT: 'cutover-held' });
      const died = once(worker.process, 'exit');
      const handle = await scene.environment.migrate(name, { copy });
      await scene.environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
      await writers.stop();
      await handle.signal('cutover');
      await died;
      await handle.cancel();
      await scene.startWorker();
      const outcome: unknown = await handle.result().catch((error: unknown) => error);
      if (!(outcome instanceof Error)) return isEqual(scene, name, outcome as MigrationStatus);
      return wasCancelled(scene, handle, 'cuttingOver', outcome);
    },
  },
};

/** Cancels a migration in a phase. @returns what is wrong with how it ended */
async function cancelledIn(scene: Scene, phase: HeldPhase, copy: Copy): Promise<string[]> {
  const { items, handle, letGo } = await holdIn(scene, phase, copy);
  try {
    await handle.cancel();
    const outcome: unknown = await handle.result().catch((error: unknown) => error);
    return await wasCancelled(scene, handle, phase, outcome);
  } finally {
    await letGo();
    await items.writers.stop();
  }
}

async function wasCancelled(
  scene: Scene,
  handle: WorkflowHandle,
  phase: HeldPhase,
  outcome: unknown,
): Promise<string[]> {
  const isCancelled =
    outcome instanceof WorkflowFailedError && outcome.cause instanceof CancelledFailure;
  const status = await scene.environment.status(handle);
  const problems = await nothingLeft(scene.environment);
  if (!isCancelled) problems.push(`ended with ${JSON.stringify(outcome)}`);
  if (status.phase !== 'aborted') problems.push(`it is ${status.phase}`);
  if (status.openedAt !== null) problems.push('the target is open');
  return problems.map((problem) => `${phase}: ${problem}`);
}

/** Cancels a migration whose target is open, and which has to clean up still. */
async function cancelledWhenOpen(scene: Scene, copy: Copy): Promise<string[]> {
  const { name, writers } = await loaded(scene);
  const { environment } = scene;
  const handle = await environment.migrate(name, { copy });
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  await writers.stop();
  // Nothing is dropped before that.
  const { isHeld, letGo } = await holdCommands(scene.client('target'), ['drop']);
  try {
    await handle.signal('cutover');
    await isHeld();
    await environment.until(handle, 'the opening', ({ openedAt }) => openedAt !== null);
    await handle.cancel();
  } finally {
    await letGo();
  }
  const ended = await handle.result().catch((error: unknown) => error);
  if (ended instanceof Error) return [`open: ended with ${JSON.stringify(ended)}`];
  const { events } = await handle.fetchHistory();
  const isAsked = events?.some((each) => each.workflowExecutionCancelRequestedEventAttributes);
  if (!isAsked) throw new Error('it has ended before it was cancelled');
  return isEqual(scene, name, ended as MigrationStatus);
}
