import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { Cases } from './case.js';
import { endsEqual, loaded } from './case.js';
import { holdIn } from './in-phase.js';

/** Some partitions of the least size, to share. */
const DOCUMENTS = 20_000;
const PARTITION_BYTES = 1024 * 1024;
/** More of them than are copied at a time. */
const SHARED_DOCUMENTS = 60_000;
/** Variables of a worker that takes little at a time. */
const NARROW = { CSM_MAX_ACTIVITIES: '3' };
/** Longer than the ten minutes, in ms. */
const HOST_GONE_MS = 13 * 60_000;
const POLL_MS = 2_000;
/** Another host's name. */
const ELSEWHERE = 'elsewhere';

/** What happens among workers. */
export const together: Cases = {
  // Both are one host to Temporal, with one folder for their dumps.
  'two-workers-in-one-folder': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene, SHARED_DOCUMENTS);
      // Neither has room for all partitions that are copied at a time, beside the capture.
      const first = await scene.startWorker(NARROW);
      const second = await scene.startWorker(NARROW);
      const handle = await scene.environment.migrate(items.name, {
        copy,
        partitionBytes: PARTITION_BYTES,
        parallelPartitions: 4,
      });
      await scene.environment.until(handle, 'replay', ({ phase }) => phase === 'ready');
      const workers = new Set(await workersOf(handle, copy === 'dump' ? 'dump' : 'copyPartition'));
      if (workers.size < 2) return ['one worker has copied all partitions'];
      // Nor for what the cutover needs.
      await scene.startWorker();
      await first.kill('SIGTERM');
      await second.kill('SIGTERM');
      return endsEqual(scene, items, handle);
    },
  },

  // What it still writes goes to a name of the copy before, and is removed at the end.
  'restarted-beside-a-frozen-worker': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene, DOCUMENTS);
      const { environment } = scene;
      const zombie = await scene.startWorker();
      const handle = await environment.migrate(items.name, {
        copy,
        partitionBytes: PARTITION_BYTES,
      });
      await environment.until(handle, 'some copy', ({ copied }) => copied.documents > 0);
      zombie.process.kill('SIGSTOP');
      await scene.startWorker();
      await handle.signal('restart');
      await environment.until(
        handle,
        'the copy after it',
        ({ restarts, phase }) => restarts !== null && phase === 'ready',
      );
      zombie.process.kill('SIGCONT');
      const found = await endsEqual(scene, items, handle);
      await zombie.kill('SIGTERM');
      return found;
    },
  },

  // A typing error in the settings of a worker must not end what others have done for days.
  'worker-without-an-alias': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      await scene.startWorker();
      const handle = await scene.environment.migrate(items.name, { copy });
      await scene.environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      const other = scene.environment.target.uri;
      await scene.restartWorker('SIGTERM', {
        MONGODB_URI_TARGET: undefined,
        MONGODB_URI_OTHER: other,
      });
      await scene.environment.until(handle, 'a problem that names the alias', ({ problem }) =>
        /unknown alias "target".*set MONGODB_URI_TARGET/.test(problem?.what ?? ''),
      );
      await scene.restartWorker('SIGTERM');
      return endsEqual(scene, items, handle);
    },
  },

  'killed-before-the-copy': {
    run: async (scene, _dice, copy) => {
      const problems: string[] = [];
      for (const phase of ['preflight', 'waiting'] as const) {
        await scene.startWorker();
        const { items, handle, letGo } = await holdIn(scene, phase, copy);
        await scene.restartWorker('SIGKILL');
        await letGo();
        problems.push(...(await endsEqual(scene, items, handle)));
        await scene.worker.kill('SIGTERM');
      }
      return problems;
    },
  },

  // Takes the ten minutes after which a partition is dumped again elsewhere; a direct copy has no host.
  'worker-host-gone': {
    dumps: true,
    run: async (scene) => {
      const items = await loaded(scene);
      const { environment } = scene;
      await scene.startWorker();
      const handle = await environment.migrate(items.name, { copy: 'dump', restore: 'signal' });
      await environment.until(handle, 'the dump', ({ phase }) => phase === 'waiting');
      await scene.worker.kill('SIGKILL');
      await rm(environment.dumpFolder, { recursive: true });
      await scene.startWorker({
        WORKER_HOST: ELSEWHERE,
        CSM_DUMP_FOLDER: `${environment.dumpFolder}-elsewhere`,
      });
      await handle.signal('restore');
      await environment.until(
        handle,
        'a problem that says what is missing',
        ({ problem }) => problem?.todo.includes('WORKER_HOST') ?? false,
      );
      const deadline = Date.now() + HOST_GONE_MS;
      while ((await environment.status(handle)).phase === 'copying' && Date.now() < deadline) {
        await sleep(POLL_MS);
      }
      const problems = await endsEqual(scene, items, handle);
      const workers = await workersOf(handle, 'dump');
      return workers.some((worker) => worker.endsWith(`@${ELSEWHERE}`))
        ? problems
        : [`dumped by ${workers.join(', ')}`, ...problems];
    },
  },
};

/** The workers that have done a step, as `process@host`, once for each time. */
async function workersOf(handle: WorkflowHandle, step: string): Promise<string[]> {
  const events = (await handle.fetchHistory()).events ?? [];
  const asked = new Set(
    events
      .filter((each) => each.activityTaskScheduledEventAttributes?.activityType?.name === step)
      .map(({ eventId }) => String(eventId)),
  );
  return events.flatMap(({ activityTaskStartedEventAttributes: started }) =>
    started && asked.has(String(started.scheduledEventId)) ? [started.identity ?? ''] : [],
  );
}
