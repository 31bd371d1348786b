import { once } from 'node:events';
import type { Failpoint } from '../../../src/failpoint.js';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import { isRunning } from '../scene.js';
import { type Case, type Cases, endsEqual, isEqual, loaded } from './case.js';

const HEAP_MB = 32;

/** The worker dies between an effect and its record, of what happens once in a migration. */
function killedAt(point: Failpoint): Case {
  return {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      const worker = await scene.startWorker({ CSM_TEST_FAILPOINT: point });
      const died = once(worker.process, 'exit');
      const handle = await scene.environment.migrate(name, { copy });
      const isLate = point.startsWith('cutover') || point === 'buffer-dropped';
      if (isLate) {
        await scene.environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
        await writers.stop();
        await handle.signal('cutover');
      }
      await died;
      if (isRunning(worker)) return [`the worker lives on after ${point}`];
      await scene.startWorker();
      if (!isLate) return endsEqual(scene, { name, writers }, handle);
      return isEqual(scene, name, (await handle.result()) as MigrationStatus);
    },
  };
}

/** Its heap is so small that it dies of its work, and not before. */
const outOfMemory: Case = {
  run: async (scene, _dice, copy) => {
    const items = await loaded(scene);
    const worker = await scene.startWorker({ NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` });
    if (!isRunning(worker)) return ['the worker dies before it serves'];
    const died = once(worker.process, 'exit');
    const handle = await scene.environment.migrate(items.name, { copy });
    await died;
    await scene.startWorker();
    const problems = await endsEqual(scene, items, handle);
    return worker.log().includes('heap out of memory')
      ? problems
      : ['the worker died of something else', ...problems];
  },
};

/** Deaths at each named moment that comes once. */
export const failpoints: Cases = {
  'worker-out-of-memory': outOfMemory,
  'dies-at-token-read': killedAt('token-read'),
  'dies-at-partition-copied': killedAt('partition-copied'),
  'dies-at-staging-renamed': killedAt('staging-renamed'),
  'dies-at-cutover-held': killedAt('cutover-held'),
  'dies-at-cutover-drained': killedAt('cutover-drained'),
  'dies-at-cutover-enforced': killedAt('cutover-enforced'),
  'dies-at-buffer-dropped': killedAt('buffer-dropped'),
};
