import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from 'mongodb';
import type { IndexProgress } from '../migration.js';
import { runCommand } from './raw.js';

type Build = Omit<IndexProgress, 'elapsedSeconds'> | 'refused';

interface Operation {
  readonly msg: string;
  readonly progress?: { readonly done: number; readonly total: number };
}

const INTERVAL_MS = 2000;

/** Reports the progress of a running build every two seconds, until `finished`. Never fails. */
export async function reportProgress(
  db: Db,
  collection: string,
  onProgress: (progress: IndexProgress) => void,
  finished: AbortSignal,
): Promise<void> {
  const started = Date.now();
  // Builds run in the server's own threads, which only the privilege inprog shows.
  let permitted = true;
  while (!finished.aborted) {
    const operation: Build | undefined = permitted ? await currentBuild(db, collection) : undefined;
    permitted &&= operation !== 'refused';
    const seen = operation === 'refused' ? undefined : operation;
    const elapsedSeconds = Math.round((Date.now() - started) / 1000);
    if (!finished.aborted) onProgress({ ...seen, elapsedSeconds });
    await sleep(INTERVAL_MS, undefined, { signal: finished }).catch(() => undefined);
  }
}

async function currentBuild(db: Db, collection: string): Promise<Build | undefined> {
  const ns = `${db.databaseName}.${collection}`;
  const pipeline = [
    { $currentOp: { allUsers: true } },
    { $match: { ns, msg: { $regex: '^Index Build' } } },
    { $project: { msg: 1, progress: 1 } },
  ];
  try {
    const admin = db.client.db('admin');
    const command = { aggregate: 1, pipeline, cursor: {} };
    const { cursor }: { cursor?: { firstBatch: Operation[] } } = await runCommand(admin, command);
    const found = cursor?.firstBatch[0];
    if (!found) return undefined;
    const { done, total } = found.progress ?? {};
    const [, message] = /^(Index Build: [^:]*?)(?= Index Build|:|$)/.exec(found.msg) ?? [];
    return {
      ...(message !== undefined && { message }),
      ...(done !== undefined && { done }),
      ...(total !== undefined && { total }),
    };
  } catch {
    return 'refused';
  }
}
