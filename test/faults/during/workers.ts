import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerProcess } from '../../e2e/environment.js';
import type { Dice } from '../../soak/dice.js';
import { copyBuild } from '../build-copy.js';
import { type Faults, isRunning, type Scene } from '../scene.js';
import { Skipped, unlessSkipped, until } from '../skipped.js';
import { isAtWork } from '../temporal.js';

/** A named moment that does not come within this time does not come any more. */
const FAILPOINT_MS = 60_000;
/** A worker takes less than half of it. */
const SMALL_HEAP = '--max-old-space-size=256';

/** What happens to workers. */
export const workers: Faults = {
  'worker-killed': {
    run: async (scene, dice) => {
      await scene.worker.kill('SIGKILL');
      expectEnd(scene.worker, 'SIGKILL');
      await sleep(dice.pick([0, 0, 1_500]));
      await scene.startWorker();
    },
  },

  'worker-ended': {
    run: async (scene) => {
      await scene.worker.kill('SIGTERM');
      expectEnd(scene.worker, 0);
      await scene.startWorker();
    },
  },

  // Its last commands are on their way when it stops, and it goes on with them later.
  'worker-frozen': {
    run: async (scene, dice) => {
      const zombie = scene.worker;
      zombie.process.kill('SIGSTOP');
      const successor = await scene.startWorker();
      try {
        await hasWork(scene, successor);
        // Its heartbeats are missed one after another.
        await until('the end of its attempts', async () => !(await isAtWork(scene, zombie)));
      } finally {
        zombie.process.kill('SIGCONT');
      }
      // Two workers at once for a while.
      await sleep(dice.between(3_000, 6_000));
      await zombie.kill('SIGTERM');
    },
  },

  'worker-killed-before-record': {
    run: async (scene, dice) => {
      const point = await pickPoint(scene, dice);
      await diesAt(scene, { CSM_TEST_FAILPOINT: point });
      expectEnd(scene.worker, 'SIGKILL');
      await scene.startWorker();
    },
  },

  // V8 ends the process in the midst of a statement, with no chance to say or close anything.
  'worker-out-of-memory': {
    run: async (scene, dice) => {
      const CSM_TEST_FAILPOINT = `${await pickPoint(scene, dice)}:out-of-memory`;
      await diesAt(scene, { CSM_TEST_FAILPOINT, NODE_OPTIONS: SMALL_HEAP });
      const last = scene.worker.log();
      if (!last.includes('heap out of memory')) {
        throw new Error(`it has not run out of memory: ${last.slice(-500)}`);
      }
      await scene.startWorker();
    },
  },

  // As a rolling upgrade does it: the new build serves before the old one ends.
  'worker-upgraded': {
    run: async (scene, dice) => {
      const old = scene.worker;
      const upgraded = await scene.startWorker({}, await copyBuild(scene.environment.folder));
      await sleep(dice.between(0, 6_000));
      await old.kill('SIGTERM');
      await hasWork(scene, upgraded);
      await sleep(dice.between(3_000, 8_000));
      // And back, which is an upgrade too.
      await scene.startWorker();
      await upgraded.kill('SIGTERM');
    },
  },
};

/**
 * Lets a worker die by itself. The one that it replaces ends in order.
 *
 * @throws Skipped when it does not come to where it dies; then there is another one
 */
async function diesAt(scene: Scene, env: Readonly<Record<string, string>>): Promise<void> {
  await scene.restartWorker('SIGTERM', env);
  const { worker } = scene;
  const reason = `no worker came to ${env['CSM_TEST_FAILPOINT']}`;
  try {
    await unlessSkipped(reason, () => !isRunning(worker), FAILPOINT_MS);
  } catch (error) {
    if (error instanceof Skipped) await scene.restartWorker('SIGTERM');
    throw error;
  }
}

/** A moment that comes in the phase in which one of the migrations is. Changes come in all of them. */
async function pickPoint({ environment, handles }: Scene, dice: Dice): Promise<string> {
  const phases = await Promise.all(
    handles.map(async (handle) => (await environment.status(handle)).phase),
  );
  return dice.pick([
    'changes-stored',
    ...(phases.includes('copying') ? ['partition-copied'] : []),
    ...(phases.includes('replaying') || phases.includes('ready') ? ['range-applied'] : []),
  ]);
}

/** Returns when Temporal has given work to a worker. */
async function hasWork(scene: Scene, worker: WorkerProcess): Promise<void> {
  await until('the work of another worker', () => isAtWork(scene, worker));
}

/** @throws Error when a worker has not ended so: by a signal, or with a status */
function expectEnd({ process, log }: WorkerProcess, how: NodeJS.Signals | number): void {
  const { signalCode, exitCode } = process;
  if (signalCode !== how && exitCode !== how) {
    const last = log().trim().split('\n').at(-1);
    throw new Error(`the worker has ended with ${signalCode ?? exitCode}, not ${how}: ${last}`);
  }
}
