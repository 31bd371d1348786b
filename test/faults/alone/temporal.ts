import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { TASK_QUEUE } from '../../../src/names.js';
import { openCursors } from '../sessions.js';
import { until } from '../skipped.js';
import { pendingOf, requestOf } from '../temporal.js';
import { type Cases, endsEqual, loaded } from './case.js';
import { holdIn } from './in-phase.js';

/** Longer than the heartbeat timeout. */
const FORGOTTEN_MS = 12_000;
/** Longer than any client waits for an answer. */
const AWAY_MS = 150_000;
/** So many that they are not copied at once. */
const AWAY_DOCUMENTS = 30_000;

/** What happens to the workflow itself. */
export const workflow: Cases = {
  'terminated-then-started-again': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      await scene.startWorker();
      const first = await scene.environment.migrate(items.name, { copy });
      await scene.environment.until(first, 'replay', ({ phase }) => phase === 'ready');
      const reads = async () =>
        (await openCursors(scene.client('source'))).filter(({ ns }) => ns === `shop.${items.name}`);
      if ((await reads()).length === 0) throw new Error('no change stream is read');
      await first.terminate('by a test');
      await sleep(FORGOTTEN_MS);
      const problems = (await reads()).length > 0 ? ['its change stream is still read'] : [];
      // What the first has made at the target is nobody's any more.
      await scene.client('target').db('shop').dropCollection(items.name);
      const second = await scene.environment.migrate(items.name, { copy });
      return [...problems, ...(await endsEqual(scene, items, second))];
    },
  },

  'paused-activity-is-told': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      const { items, handle } = await holdIn(scene, 'ready', copy);
      const { workflowId } = handle;
      const activity = await until('the capture', async () =>
        (await pendingOf(scene, workflowId)).find(({ activityId }) => activityId === 'capture'),
      );
      const asked = requestOf(workflowId, activity);
      const service = scene.environment.client.workflowService;
      await service.pauseActivity(asked);
      await scene.environment.until(handle, 'a problem that says so', ({ problem }) =>
        /activity capture is paused/.test(problem?.what ?? ''),
      );
      await service.unpauseActivity(asked);
      await scene.environment.until(handle, 'no problem', ({ problem }) => problem === null);
      return endsEqual(scene, items, handle);
    },
  },

  // Its dump files are there, and its worker may not remove them.
  'terminated-with-its-dumps': {
    dumps: true,
    run: async (scene) => {
      const items = await loaded(scene);
      await scene.startWorker();
      const options = { restore: 'signal' };
      const first = await scene.environment.migrate(items.name, options);
      await scene.environment.until(first, 'waiting', ({ phase }) => phase === 'waiting');
      const { dumpFolder } = scene.environment;
      if ((await readdir(dumpFolder)).length === 0) throw new Error('there are no dumps');
      await first.terminate('by a test');
      await scene.worker.kill('SIGKILL');
      // They are what the next worker finds, which removes what no run has any more when it begins.
      if ((await readdir(dumpFolder)).length === 0) throw new Error('the dumps are gone');
      await scene.startWorker();
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
