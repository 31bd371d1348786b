import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Migration } from '../migration.js';
import { preflight, type PreflightContext, type PreflightReport } from '../preflight/index.js';
import type { ActivityDependencies } from './context.js';

/**
 * Looks at both sides for everything that speaks against a migration; writes nothing.
 * @param limitMs see `PreflightContext.limitMs`.
 * @throws PermanentError InvalidInput when the worker does not know an alias.
 */
export async function lookAround(
  deps: ActivityDependencies,
  { options, workflowId, runId }: Omit<Migration, 'traits'>,
  signal: AbortSignal,
  limitMs?: PreflightContext['limitMs'],
): Promise<PreflightReport> {
  return preflight({
    source: deps.connections.get(options.source),
    target: deps.connections.get(options.target),
    options,
    self: { workflowId, runId },
    isRunning: deps.isRunning,
    tools: deps.tools ?? { problem: 'mongodump and mongorestore are not on this worker' },
    freeBytes,
    dumpFolder: deps.dumpFolder,
    maxActivities: deps.maxActivities,
    signal,
    ...(limitMs !== undefined && { limitMs }),
  });
}

/** Bytes free where a folder is or will be. */
async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(folder);
    if ((error as { code?: string }).code !== 'ENOENT' || parent === folder) throw error;
    return freeBytes(parent);
  }
}
