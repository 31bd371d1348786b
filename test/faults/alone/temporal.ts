import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { TASK_QUEUE } from '../../../src/names.js';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import type { Phase } from '../../../src/workflows/phases.js';
import { type Cases, endsEqual, isEqual, loaded, nothingLeft } from './case.js';

/** Longer than the heartbeat timeout. */
const FORGOTTEN_MS = 12_000;
/** Longer than any client waits for an answer. */
const AWAY_MS = 150_000;
/** So many that they are not copied at once. */
const AWAY_DOCUMENTS = 30_000;

const phases: readonly Phase[] = ['copying', 'replaying', 'ready'];

/** What happens to the workflow itself. */
export const workflow: Cases = {
  'terminated-then-started-again': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      await scene.startWorker();
      const first = await scene.environment.migrate(items.name, { copy });
      await scene.environment.until(first, 'replay', ({ phase }) => phase === 'ready');
      await first.terminate('by a test');
      await sleep(FORGOTTEN_MS);
      // What the first has made at the target is nobody's any more.
      await scene.client('target').db('shop').dropCollection(items.name);
      return endsEqual(scene, items, await scene.environment.migrate(items.name, { copy }));
    },
  },

  // Its dump files are there, and its worker may not remove them.
  'terminated-with-its-dumps': {
    run: async (scene) => {
      const items = await loaded(scene);
      await scene.startWorker();
      const options = { restore: 'signal' };
      const first = await scene.environment.migrate(items.name, options);
      await scene.environment.until(first, 'waiting', ({ phase }) => phase === 'waiting');
      await first.terminate('by a test');
      await scene.restartWorker('SIGKILL');
      await sleep(FORGOTTEN_MS);
      return endsEqual(scene, items, await scene.environment.migrate(items.name));
    },
  },

  // All heartbeats are lost meanwhile, and what was to be told to Temporal has to be done again.
  'temporal-away': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene, AWAY_DOCUMENTS);
      const { environment } = scene;
      await scene.startWorker();
      const handle = await environment.migrate(items.name, { copy });
      await environment.until(handle, 'copying', ({ phase }) => phase !== 'preflight');
      await environment.temporal.kill('SIGKILL');
      await sleep(AWAY_MS);
      await environment.temporal.restart();
      return endsEqual(scene, items, handle);
    },
  },

  'started-twice': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      await scene.startWorker();
      const first = await scene.environment.migrate(items.name, { copy });
      await scene.environment.until(first, 'copying', ({ phase }) => phase !== 'preflight');
      const second = await scene.environment.migrate(items.name, { copy });
      const outcome: unknown = await second.result().catch((error: unknown) => error);
      const type = (outcome as { cause?: { type?: string } }).cause?.type;
      const isRefused = type === 'PreflightFailed' || type === 'MigrationExists';
      const problems = await endsEqual(scene, items, first);
      return isRefused ? problems : [`the second ended with ${String(outcome)}`, ...problems];
    },
  },

  'cancelled-in-each-phase': {
    run: async (scene, _dice, copy) => {
      const problems: string[] = [];
      await scene.startWorker();
      for (const wanted of phases) {
        const { name, writers } = await loaded(scene);
        const handle = await scene.environment.migrate(name, { copy });
        await scene.environment.until(
          handle,
          wanted,
          ({ phase }) => phases.indexOf(phase) >= phases.indexOf(wanted),
        );
        await handle.cancel();
        await handle.result().catch(() => undefined);
        await writers.stop();
        const left = await scene.environment.leftovers();
        if (left.length > 0) problems.push(`${wanted}: left ${left.join(', ')}`);
      }
      return problems;
    },
  },

  'cancelled-while-it-waits': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      await scene.startWorker();
      const handle = await scene.environment.migrate(name, { copy, restore: 'signal' });
      await scene.environment.until(handle, 'waiting', ({ phase }) => phase === 'waiting');
      await handle.cancel();
      await writers.stop();
      const outcome: unknown = await handle.result().catch((error: unknown) => error);
      const isCancelled =
        outcome instanceof WorkflowFailedError && outcome.cause instanceof CancelledFailure;
      const problems = await nothingLeft(scene.environment);
      return isCancelled ? problems : [`ended with ${JSON.stringify(outcome)}`, ...problems];
    },
  },

  // A cutover that has begun is carried to its end.
  'cancelled-in-the-cutover': {
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
      return isEqual(scene, name, (await handle.result()) as MigrationStatus);
    },
  },

  'workflow-reset': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      const { environment } = scene;
      await scene.startWorker();
      const first = await environment.migrate(items.name, { copy });
      await environment.until(first, 'replay', ({ phase }) => phase === 'ready');
      const { workflowId } = first;
      const { events } = await first.fetchHistory();
      const eventId = events?.find((event) => event.workflowTaskCompletedEventAttributes)?.eventId;
      if (!eventId) return ['the workflow has no history'];
      await environment.client.workflowService.resetWorkflowExecution({
        namespace: 'default',
        workflowExecution: { workflowId },
        reason: 'by a test',
        workflowTaskFinishEventId: eventId,
        requestId: `${workflowId}-reset`,
      });
      return endsEqual(scene, items, environment.client.workflow.getHandle(workflowId));
    },
  },

  'started-with-a-misspelt-option': {
    run: async (scene) => {
      await scene.startWorker();
      const args = [{ source: 'source', target: 'target', namespace: 'shop.none', copi: 'direct' }];
      const workflowId = `misspelt:${Date.now()}`;
      const started = await scene.environment.client.workflow.start('migrateCollection', {
        taskQueue: TASK_QUEUE,
        workflowId,
        args,
      });
      const outcome: unknown = await started.result().catch((error: unknown) => error);
      const type = (outcome as { cause?: { type?: string } }).cause?.type;
      return type === 'InvalidInput' ? [] : [`ended with ${String(outcome)}`];
    },
  },
};
