import type { Cases } from './case.js';
import { endsEqual, loaded } from './case.js';

/** So small that there are some partitions to share. */
const PARTITION_BYTES = 256 * 1024;

/** What happens among workers. */
export const together: Cases = {
  // Both are one host to Temporal, with one folder for their dumps.
  'two-workers-in-one-folder': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
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
