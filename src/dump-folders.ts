import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from './log.js';
import { redact } from './redact.js';
import { PRIVATE } from './tools/config-file.js';

/** File in a run's folder that says whose it is. */
export const OWNER = 'owner.json';
/** Between two looks for what is left over, in ms. */
const SWEEP_MS = 5 * 60_000;
const DAY_MS = 24 * 3600 * 1000;
/** A tool has read what is in its private folder long before, in ms. */
const PRIVATE_MS = 10 * 60_000;
/** A folder of a run that Temporal does not know may be another Temporal's: it stays for so long untouched. */
const UNKNOWN_MS = 7 * DAY_MS;

const ownerSchema = z.object({ workflowId: z.string(), runId: z.string(), namespace: z.string() });

/** The workflow run to which a folder of dump files belongs. */
export type DumpOwner = z.infer<typeof ownerSchema>;

/** Folder of a run's dump files. The run id keeps two runs from ever sharing one. */
export function dumpFolderOf(dumps: string, runId: string): string {
  return join(dumps, runId);
}

/** Makes the folder of a run's dump files, for this user alone, and notes whose it is. */
export async function makeDumpFolder(dumps: string, owner: DumpOwner): Promise<string> {
  const folder = dumpFolderOf(dumps, owner.runId);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, OWNER), JSON.stringify(owner), { mode: 0o600 });
  return folder;
}

/** What a sweep needs to know. */
export interface DumpSweep {
  /** Folder with a folder for each run. */
  readonly dumps: string;
  /** Temporal namespace of this worker; folders of others stay. */
  readonly namespace: string;
  /** Whether a run is still open; nothing when it is not known. */
  readonly isRunning: (workflowId: string, runId: string) => Promise<boolean | undefined>;
}

/**
 * Removes the folders of runs that are over: the clean-up of a migration removes only those of the host it runs
 * on, and a worker that is killed leaves its own. Folders without an owner are not ours. Of the others what tools had
 * for themselves is removed, which may hold a connection string when the whole machine was switched off.
 * @returns the run ids whose folders it has removed.
 */
export async function sweepDumps({ dumps, namespace, isRunning }: DumpSweep): Promise<string[]> {
  const removed: string[] = [];
  for (const runId of await readdir(dumps).catch(() => [])) {
    const folder = join(dumps, runId);
    const owner = await readOwner(folder);
    if (owner?.runId !== runId || owner.namespace !== namespace) continue;
    const running = await isRunning(owner.workflowId, runId);
    if (running ?? !(await isUntouched(folder, UNKNOWN_MS))) {
      await sweepPrivate(folder);
      continue;
    }
    await rm(folder, { recursive: true, force: true });
    removed.push(runId);
  }
  return removed;
}

/** Sweeps now and again and again, until it is disposed of. */
export function keepSwept(sweep: DumpSweep, log: Log): Disposable {
  const run = () => {
    sweepDumps(sweep).then(
      (removed) => {
        if (removed.length > 0)
          log.info('removed dump files of runs that are over', { runs: removed.join() });
      },
      (error: unknown) =>
        log.debug('dump files were not looked through', { error: redact(String(error)) }),
    );
  };
  run();
  const timer = setInterval(run, SWEEP_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function readOwner(folder: string): Promise<DumpOwner | undefined> {
  try {
    return ownerSchema.parse(JSON.parse(await readFile(join(folder, OWNER), 'utf8')));
  } catch {
    return undefined;
  }
}

async function sweepPrivate(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    if (!name.startsWith(PRIVATE) || !(await isUntouched(path, PRIVATE_MS))) continue;
    await rm(path, { recursive: true, force: true });
  }
}

async function isUntouched(path: string, ms: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > ms;
}
