import { isDeepStrictEqual } from 'node:util';
import { execa } from 'execa';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import { holdCommands } from '../fail-command.js';
import type { Scene } from '../scene.js';
import { until } from '../skipped.js';
import { type Cases, isEqual, loaded } from './case.js';

/** Documents of the two applications: one is late at the source, the other is already at the target. */
const LATE = { _id: 'late' };
const OPEN = { _id: 'open' };

/** Workers that stand still in a bad moment, and wake up when another has done their work. */
export const frozen: Cases = {
  // The target has been opened by then, so that nothing may be applied to it or taken out of force.
  'frozen-before-the-cutover-holds': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      const { environment } = scene;
      const validator = { counter: { $exists: true } };
      await scene.client('source').db('shop').command({ collMod: name, validator });
      const zombie = await scene.startWorker({
        CSM_TEST_FAILPOINT: 'cutover-checked:freeze',
        // Temporal has given it up: it ends as cancelled, which is told at this level.
        CSM_LOG_LEVEL: 'debug',
      });
      const handle = await environment.migrate(name, { copy });
      await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
      await writers.stop();
      await handle.signal('cutover');
      await until('a worker that stands still', () => isFrozen(zombie.process.pid));

      // What is there of the migration stays there, as its clean-up waits.
      const cleanUp = await holdCommands(scene.client('target'), ['drop']);
      await scene.startWorker();
      await cleanUp.isHeld();
      const opened = await catalogueOf(scene, name);
      await collectionOf(scene, 'source', name).insertOne({ ...LATE, counter: 0 });
      await collectionOf(scene, 'target', name).insertOne({ ...OPEN, counter: 0 });
      zombie.process.kill('SIGCONT');
      await until('a late attempt that may not hold', () =>
        zombie.log().includes('a newer attempt of cutover has taken over'),
      );
      await cleanUp.letGo();

      const problems: string[] = [];
      const status = (await handle.result()) as MigrationStatus;
      if (!isDeepStrictEqual(await catalogueOf(scene, name), opened)) {
        problems.push('the late attempt has changed indexes or options');
      }
      const target = collectionOf(scene, 'target', name);
      if (await target.findOne(LATE)) problems.push('the late attempt has applied a change');
      if (!(await target.findOne(OPEN))) problems.push("an application's document is gone");
      await collectionOf(scene, 'source', name).deleteOne(LATE);
      await target.deleteOne(OPEN);
      await zombie.kill('SIGTERM');
      return [...problems, ...(await isEqual(scene, name, status))];
    },
  },
};

async function isFrozen(pid: number | undefined): Promise<boolean> {
  const { stdout } = await execa('ps', ['-o', 'state=', '-p', String(pid)]);
  return stdout.startsWith('T');
}

function collectionOf(scene: Scene, side: 'source' | 'target', name: string) {
  return scene.client(side).db('shop').collection<{ _id: string; counter: number }>(name);
}

/** Options and indexes of a collection at the target, as its server lists them. */
async function catalogueOf(scene: Scene, name: string): Promise<unknown> {
  const database = scene.client('target').db('shop');
  const [options] = await database.listCollections({ name }).toArray();
  return { options, indexes: await database.collection(name).indexes() };
}
