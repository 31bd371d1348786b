import { execa } from 'execa';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scene } from '../scene.js';
import { type Cases, endsEqual, loaded } from './case.js';

/** A dump folder that a collection of 20 MB does not fit into. */
const SMALL_MB = 4;
const MANY_DOCUMENTS = 30_000;

/** What happens to the worker's disk. */
export const disk: Cases = {
  'dump-folder-full': {
    run: async (scene) => {
      const items = await loaded(scene, MANY_DOCUMENTS);
      const folder = join(scene.environment.folder, 'small');
      await mkdir(folder);
      const mounted = await execa(
        'mount',
        ['-t', 'tmpfs', '-o', `size=${SMALL_MB}m`, 'tmpfs', folder],
        { reject: false },
      );
      if (mounted.failed) {
        await items.writers.stop();
        // Only root may mount.
        return [];
      }
      try {
        await scene.startWorker({ CSM_DUMP_FOLDER: folder });
        const handle = await scene.environment.migrate(items.name);
        const { problem } = await scene.environment.until(
          handle,
          'the problem',
          (status) => status.problem !== null,
        );
        const problems = /disk is full/.test(problem?.what ?? '') ? [] : [`told: ${problem?.what}`];
        await execa('mount', ['-o', 'remount,size=64m', folder]);
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
