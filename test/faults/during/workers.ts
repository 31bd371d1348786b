import { setTimeout as sleep } from 'node:timers/promises';
import { type Faults, isRunning } from '../scene.js';

/** Longer than the heartbeat timeout, so that Temporal has given the worker's attempts to another. */
const FROZEN_MS = 14_000;
/** A named moment that does not come within this time does not come any more. */
const FAILPOINT_MS = 15_000;

/** What happens to workers. */
export const workers: Faults = {
  'worker-killed': {
    run: async (scene, dice) => {
      await scene.worker.kill('SIGKILL');
      await sleep(dice.pick([0, 0, 1_500]));
      await scene.startWorker();
    },
  },

  'worker-ended': { run: (scene) => scene.restartWorker('SIGTERM') },

  // Its last commands are on their way when it stops, and it goes on with them later.
  'worker-frozen': {
    run: async (scene, dice) => {
      const zombie = scene.worker;
      zombie.process.kill('SIGSTOP');
      await scene.startWorker();
      await sleep(FROZEN_MS);
      zombie.process.kill('SIGCONT');
      // Two workers at once for a while.
      await sleep(dice.between(3_000, 6_000));
      await zombie.kill('SIGTERM');
    },
  },

  'worker-killed-before-record': {
    run: async (scene, dice) => {
      const point = dice.pick(['changes-stored', 'range-applied', 'partition-copied']);
      await scene.restartWorker('SIGTERM', { CSM_TEST_FAILPOINT: point });
      const deadline = Date.now() + FAILPOINT_MS;
      while (isRunning(scene.worker) && Date.now() < deadline) await sleep(100);
      await scene.restartWorker('SIGTERM');
    },
  },
};
