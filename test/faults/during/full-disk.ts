import { setTimeout as sleep } from 'node:timers/promises';
import type { Faults, Scene } from '../scene.js';
import { Skipped } from '../skipped.js';

/** Smaller than what a mongod has in its journal after its start. */
const FILE_BYTES = 64 * 1024;
/** For as long a mongod is given something to write, which ends it. */
const WRITES_MS = 20_000;

/**
 * Lets the target's disk be full: its mongod writes nothing more, and ends when it has to.
 *
 * @returns makes room, and starts it again
 * @throws Skipped where this machine cannot do it
 */
export async function fillTarget(scene: Scene): Promise<() => Promise<void>> {
  const set = scene.set('target');
  const member = await set.primary();
  if (!(await member.limitFileSize(FILE_BYTES))) {
    throw new Skipped('there is no prlimit here to limit the size of files with');
  }
  const deadline = Date.now() + WRITES_MS;
  while (member.pid !== undefined && Date.now() < deadline) await sleep(100);
  const diedOfIt = member.pid === undefined;
  return async () => {
    if (!diedOfIt) throw new Error(`mongod goes on without writing; see ${member.logFile}`);
    await member.start();
    await set.primary();
  };
}

/** What happens to the target's disk. */
export const fullDisk: Faults = {
  'target-disk-full': {
    run: async (scene, dice) => {
      const makeRoom = await fillTarget(scene);
      await sleep(dice.between(0, 8_000));
      await makeRoom();
    },
  },
};
