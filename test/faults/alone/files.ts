import { execa } from 'execa';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scene } from '../scene.js';
import { type Cases, endsEqual, loaded } from './case.js';

const FOLDER_MB = 32;
const MANY_DOCUMENTS = 60_000;
/** So small that most partitions are still to be dumped when the folder is filled. */
const PARTITION_BYTES = 1024 * 1024;

/** What happens to the worker's disk. */
export const disk: Cases = {
  'dump-folder-full': {
    run: async (scene) => {
      const items = await loaded(scene, MANY_DOCUMENTS);
      const folder = join(scene.environment.folder, 'small');
      await mkdir(folder);
      const mounted = await execa(
        'mount',
        ['-t', 'tmpfs', '-o', `size=${FOLDER_MB}m`, 'tmpfs', folder],
        { reject: false },
      );
      if (mounted.failed) {
        await items.writers.stop();
        // Only root may mount.
        return [];
      }
      try {
        await scene.startWorker({ CSM_DUMP_FOLDER: folder });
        const { environment } = scene;
        const handle = await environment.migrate(items.name, { partitionBytes: PARTITION_BYTES });
        await environment.until(handle, 'copying', ({ phase }) => phase !== 'preflight');
        const filler = join(folder, 'filler');
        // It takes what there is, and fails.
        await execa('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], { reject: false });
        const { problem } = await environment.until(
          handle,
          'the problem',
          (status) => status.problem !== null && !status.live.error,
        );
        const problems = /disk is full/.test(problem?.what ?? '') ? [] : [`told: ${problem?.what}`];
        await rm(filler);
        const found = await endsEqual(scene, items, handle);
        await scene.worker.kill('SIGTERM');
        return [...problems, ...found];
      } finally {
        await execa('umount', ['-l', folder]);
        await rm(folder, { recursive: true, force: true });
      }
    },
  },

  'dump-lost': { run: (scene) => broken(scene, (file) => rm(file)) },

  'dump-cut-short': {
    run: (scene) =>
      broken(scene, async (file) => {
        await using handle = await open(file, 'r+');
        await handle.truncate(Math.floor((await handle.stat()).size / 2));
      }),
  },

  // The first byte of a document's length.
  'dump-with-a-flipped-byte': {
    run: (scene) =>
      broken(scene, async (file) => {
        await using handle = await open(file, 'r+');
        await handle.write(Buffer.from([1, 1, 1, 1]), 0, 4, 0);
      }),
  },
};

/** Breaks the dumps of a migration that waits with its restore. */
async function broken(
  scene: Scene,
  spoil: (file: string) => Promise<void>,
): Promise<readonly string[]> {
  const items = await loaded(scene);
  await scene.startWorker();
  const { environment } = scene;
  const handle = await environment.migrate(items.name, { restore: 'signal' });
  await environment.until(handle, 'waiting', ({ phase }) => phase === 'waiting');
  const names = await readdir(environment.dumpFolder, { recursive: true });
  const files = names.filter((name) => name.endsWith('.bson'));
  for (const name of files) await spoil(join(environment.dumpFolder, name));
  await handle.signal('restore');
  const problems = await endsEqual(scene, items, handle);
  return files.length > 0 ? problems : ['there were no dumps', ...problems];
}
