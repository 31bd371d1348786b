import { setTimeout as sleep } from 'node:timers/promises';
import { copyBuild } from '../build-copy.js';
import { type Faults, isRunning, type Scene } from '../scene.js';

/** Longer than the heartbeat timeout, so that Temporal has given the worker's attempts to another. */
const FROZEN_MS = 14_000;
/** A named moment that does not come within this time does not come any more. */
const FAILPOINT_MS = 15_000;
/** A worker takes less than half of it. */
const SMALL_HEAP = '--max-old-space-size=256';

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
      await diesAt(scene, { CSM_TEST_FAILPOINT: point });
    },
  },

  // V8 ends the process in the midst of a statement, with no chance to say or close anything.
  'worker-out-of-memory': {
    run: async (scene, dice) => {
      const point = dice.pick(['changes-stored', 'range-applied', 'partition-copied']);
      const CSM_TEST_FAILPOINT = `${point}:out-of-memory`;
      const died = await diesAt(scene, { CSM_TEST_FAILPOINT, NODE_OPTIONS: SMALL_HEAP });
      if (died && !died.includes('heap out of memory')) {
        throw new Error(`it has not run out of memory: ${died.slice(-500)}`);
      }
    },
  },

  // As a rolling upgrade does it: the new build serves before the old one ends.
  'worker-upgraded': {
    run: async (scene, dice) => {
      const old = scene.worker;
      await scene.startWorker({}, await copyBuild(scene.environment.folder));
      await sleep(dice.between(0, 6_000));
      await old.kill('SIGTERM');
      await sleep(dice.between(3_000, 8_000));
      // And back, which is an upgrade too.
      const upgraded = scene.worker;
      await scene.startWorker();
      await upgraded.kill('SIGTERM');
    },
  },
};

/** Lets a worker die by itself, and another go on. @returns what the dead one wrote; nothing when it did not die */
async function diesAt(
  scene: Scene,
  env: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  await scene.restartWorker('SIGTERM', env);
  const { worker } = scene;
  const deadline = Date.now() + FAILPOINT_MS;
  while (isRunning(worker) && Date.now() < deadline) await sleep(100);
  const died = isRunning(worker) ? undefined : worker.log();
  await scene.restartWorker('SIGTERM');
  return died;
}
