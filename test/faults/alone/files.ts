import { execa } from 'execa';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { fillTarget } from '../during/full-disk.js';
import type { Scene } from '../scene.js';
import { Skipped } from '../skipped.js';
import { type Cases, endsEqual, loaded } from './case.js';

const FOLDER_MB = 32;
const MANY_DOCUMENTS = 60_000;
/** So small that most partitions are still to be dumped when the folder is filled. */
const PARTITION_BYTES = 1024 * 1024;
/** What the values of a text begin with. */
const TEXT = 'xxxxxxxxxx';
/** So many that writers do not replace all of them. */
const MISSPELT = 50;

/** What happens to the worker's disk. */
export const disk: Cases = {
  'dump-folder-full': {
    dumps: true,
    run: async (scene) => {
      const items = await loaded(scene, MANY_DOCUMENTS);
      const folder = join(scene.environment.folder, 'small');
      await mkdir(folder);
      const mounted = await execa(
        'mount',
        ['-t', 'tmpfs', '-o', `size=${FOLDER_MB}m`, 'tmpfs', folder],
        { reject: false },
      );
      if (mounted.failed) throw new Skipped('only root may mount a small file system');
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

  'target-stays-full': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      const { environment } = scene;
      await scene.startWorker();
      const handle = await environment.migrate(items.name, { copy });
      await environment.until(handle, 'capture', ({ captured }) => (captured?.events ?? 0) > 0);
      const makeRoom = await fillTarget(scene);
      const { problem } = await environment.until(
        handle,
        'the problem',
        (status) => status.problem !== null,
      );
      const isTold =
        problem?.todo?.includes('can be reached') || /Cannot reach/.test(problem?.what ?? '');
      await makeRoom();
      const found = await endsEqual(scene, items, handle);
      return isTold ? found : [`told: ${JSON.stringify(problem)}`, ...found];
    },
  },

  'dump-lost': { dumps: true, run: (scene) => broken(scene, (file) => rm(file)) },

  'dump-cut-short': {
    dumps: true,
    run: (scene) =>
      broken(scene, async (file) => {
        await using handle = await open(file, 'r+');
        await handle.truncate(Math.floor((await handle.stat()).size / 2));
      }),
  },

  // The first byte of a document's length.
  'dump-with-a-flipped-byte': {
    dumps: true,
    run: (scene) =>
      broken(scene, async (file) => {
        await using handle = await open(file, 'r+');
        await handle.write(Buffer.from([1, 1, 1, 1]), 0, 4, 0);
      }),
  },

  // No tool notices it, and it is not for the migration to say which side is right: a person has it copied anew.
  'dump-with-another-value': {
    dumps: true,
    run: async (scene) => {
      const items = await loaded(scene);
      const handle = await spoilDumps(scene, items.name, misspell);
      const { environment } = scene;
      const status = await environment.until(handle, 'the differences', ({ blockers }) =>
        blockers.some(({ code }) => code === 'differences'),
      );
      const refusal: unknown = await handle.executeUpdate('cutover', { args: [{}] }).then(
        () => 'it was not refused',
        (error: { readonly cause?: { readonly type?: string } }) => error.cause?.type,
      );
      await handle.executeUpdate('restart', { args: [{}] });
      return [
        ...(status.mayCutOver ? ['it may cut over'] : []),
        ...(refusal === 'CutoverRefused' ? [] : [`the cutover: ${String(refusal)}`]),
        ...(await endsEqual(scene, items, handle)),
      ];
    },
  },
};

/** Breaks the dumps of a migration that waits with its restore, and lets it go on. */
async function spoilDumps(
  scene: Scene,
  name: string,
  spoil: (file: string) => Promise<void>,
): Promise<WorkflowHandle> {
  await scene.startWorker();
  const { environment } = scene;
  const handle = await environment.migrate(name, { restore: 'signal' });
  await environment.until(handle, 'waiting', ({ phase }) => phase === 'waiting');
  const names = await readdir(environment.dumpFolder, { recursive: true });
  const files = names.filter((file) => file.endsWith('.bson'));
  if (files.length === 0) throw new Error('there are no dumps');
  for (const file of files) await spoil(join(environment.dumpFolder, file));
  await handle.signal('restore');
  return handle;
}

/** A migration that has to end equal although its dumps were broken. */
async function broken(
  scene: Scene,
  spoil: (file: string) => Promise<void>,
): Promise<readonly string[]> {
  const items = await loaded(scene);
  return endsEqual(scene, items, await spoilDumps(scene, items.name, spoil));
}

/** Changes a letter of some texts, which leaves all documents readable. */
async function misspell(file: string): Promise<void> {
  const bytes = await readFile(file);
  let at = 0;
  for (let texts = 0; texts < MISSPELT; texts++) {
    at = bytes.indexOf(TEXT, at + bytes.length / (2 * MISSPELT));
    if (at < 0) throw new Error(`${file} has no texts`);
    bytes[at + 1] = 'y'.charCodeAt(0);
  }
  await writeFile(file, bytes);
}
