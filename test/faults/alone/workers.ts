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
};
