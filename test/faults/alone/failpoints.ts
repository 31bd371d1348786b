import type { Failpoint } from '../../../src/failpoint.js';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import { isRunning } from '../scene.js';
import { until } from '../skipped.js';
import { type Case, type Cases, endsEqual, isEqual, loaded } from './case.js';

/** The worker dies between an effect and its record, of what happens once in a migration. */
function killedAt(point: Failpoint): Case {
  return {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      const worker = await scene.startWorker({ CSM_TEST_FAILPOINT: point });
      const handle = await scene.environment.migrate(name, { copy });
      const isLate = point.startsWith('cutover') || point === 'buffer-dropped';
      if (isLate) {
        await scene.environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
        await writers.stop();
        await handle.signal('cutover');
      }
      if (point === 'round-begun' || point === 'copy-dropped') {
        await scene.environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
        await handle.signal('restart');
      }
      await until(`the worker's death at ${point}`, () => !isRunning(worker));
      const { signalCode } = worker.process;
      if (signalCode !== 'SIGKILL') return [`the worker has ended otherwise: ${signalCode}`];
      await scene.startWorker();
      if (!isLate) return endsEqual(scene, { name, writers }, handle);
      return isEqual(scene, name, (await handle.result()) as MigrationStatus);
    },
  };
}

/** Deaths at each named moment that comes once. */
export const failpoints: Cases = {
  'dies-at-token-read': killedAt('token-read'),
  'dies-at-partition-copied': killedAt('partition-copied'),
  'dies-at-staging-renamed': killedAt('staging-renamed'),
  'dies-at-round-begun': killedAt('round-begun'),
  'dies-at-copy-dropped': killedAt('copy-dropped'),
  'dies-at-changes-stored': killedAt('changes-stored'),
  'dies-at-range-applied': killedAt('range-applied'),
  'dies-at-cutover-checked': killedAt('cutover-checked'),
  'dies-at-cutover-held': killedAt('cutover-held'),
  'dies-at-cutover-drained': killedAt('cutover-drained'),
  'dies-at-cutover-enforced': killedAt('cutover-enforced'),
  'dies-at-buffer-dropped': killedAt('buffer-dropped'),
};
