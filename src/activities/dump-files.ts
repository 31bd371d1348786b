import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Migration } from '../migration.js';
import type { ActivityDependencies } from './context.js';

type Folders = Pick<ActivityDependencies, 'dumpFolder'>;

/** Folder of a run's dump files. The run id keeps two runs from ever sharing one. */
export function dumpFolder(deps: Folders, runId: string): string {
  return join(deps.dumpFolder, runId);
}

/** File of a dumped partition. A mongodump of an earlier round that is still at work writes to another one. */
export function dumpFile(
  deps: Folders,
  { runId, round = 0, options }: Pick<Migration, 'runId' | 'round' | 'options'>,
  partition: number,
): string {
  const name = `${prefixOf(round)}partition-${partition}.bson${options.gzip ? '.gz' : ''}`;
  return join(dumpFolder(deps, runId), name);
}

/** Removes what rounds before this one have dumped on this host. */
export async function removeDumps(deps: Folders, runId: string, round: number): Promise<void> {
  const folder = dumpFolder(deps, runId);
  const names = await readdir(folder).catch(() => []);
  const older = names.filter((name) => roundOf(name) < round);
  await Promise.all(older.map((name) => rm(join(folder, name), { force: true })));
}

function prefixOf(round: number): string {
  return round === 0 ? '' : `copy-${round}-`;
}

function roundOf(name: string): number {
  return Number(/^copy-(\d+)-/.exec(name)?.[1] ?? 0);
}
