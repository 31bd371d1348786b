import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpFolderOf, OWNER } from '../dump-folders.js';
import type { Migration } from '../migration.js';
import type { ActivityDependencies } from './context.js';

type Folders = Pick<ActivityDependencies, 'dumpFolder'>;

/** File of a dumped partition. A mongodump of an earlier round that is still at work writes to another one. */
export function dumpFile(
  deps: Folders,
  { runId, round = 0, options }: Pick<Migration, 'runId' | 'round' | 'options'>,
  partition: number,
): string {
  const name = `${prefixOf(round)}partition-${partition}.bson${options.gzip ? '.gz' : ''}`;
  return join(dumpFolderOf(deps.dumpFolder, runId), name);
}

/** Removes what rounds before this one have dumped on this host. */
export async function removeDumps(deps: Folders, runId: string, round: number): Promise<void> {
  const folder = dumpFolderOf(deps.dumpFolder, runId);
  const names = await readdir(folder).catch(() => []);
  const older = names.filter((name) => name !== OWNER && roundOf(name) < round);
  // A worker that was killed leaves folders too: its tools' private ones, and those that mongodump compresses into.
  await Promise.all(older.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

function prefixOf(round: number): string {
  return round === 0 ? '' : `copy-${round}-`;
}

function roundOf(name: string): number {
  return Number(/^copy-(\d+)-/.exec(name)?.[1] ?? 0);
}
