import type { Cases } from './case.js';
import { endsEqual, loaded } from './case.js';

/** Some partitions of the least size, to share. */
const DOCUMENTS = 20_000;
const PARTITION_BYTES = 1024 * 1024;

/** What happens among workers. */
export const together: Cases = {
  // Both are one host to Temporal, with one folder for their dumps.
  'two-workers-in-one-folder': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene, DOCUMENTS);
      const [first] = await Promise.all([scene.startWorker(), scene.startWorker()]);
      const handle = await scene.environment.migrate(items.name, {
        copy,
        partitionBytes: PARTITION_BYTES,
      });
      await scene.environment.until(handle, 'replay', ({ phase }) => phase === 'ready');
      await first.kill('SIGTERM');
      return endsEqual(scene, items, handle);
    },
  },
};
