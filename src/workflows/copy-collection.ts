import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import type { Dumped } from '../activities/copy.js';
import { errorTypes } from '../errors.js';
import type { Migration } from '../migration.js';
import { step } from './steps.js';

/** A host that does not take its restore for so long is gone; its partition is dumped elsewhere. */
const HOST_GONE = '10 minutes';

/** How the copy is woven into the migration. */
export interface CopyHooks {
  /** Runs one activity; while the migration is paused it is cancelled and run again later. */
  readonly pausable: <T>(run: () => Promise<T>) => Promise<T>;
  /** Returns when the restore may begin; called once all is dumped, or before a direct copy. */
  readonly restoreAllowed: () => Promise<void>;
}

/**
 * Copies all partitions into the staging collection, a fixed number at a time. A dumped partition is
 * restored at once, so that the disk holds only what is in flight; with `restore: "signal"` all is
 * dumped first, as the old scripts did.
 */
export async function copyCollection(
  migration: Migration,
  partitions: number,
  { pausable, restoreAllowed }: CopyHooks,
): Promise<void> {
  const { copy, restore, parallelPartitions } = migration.options;
  const inLanes = (work: (partition: number) => Promise<unknown>) =>
    runLanes(partitions, parallelPartitions, work);
  if (copy === 'direct') {
    await restoreAllowed();
    await inLanes((index) =>
      pausable(() => step('copyPartition', { detail: index })(migration, index)),
    );
    return;
  }
  const dump = (index: number) => pausable(() => step('dump', { detail: index })(migration, index));
  if (restore === 'auto') {
    await inLanes(async (index) => restoreDumped(migration, await dump(index), pausable));
    return;
  }
  const dumps: Dumped[] = [];
  await inLanes(async (index) => {
    dumps[index] = await dump(index);
  });
  await restoreAllowed();
  await inLanes(async (index) => {
    const dumped = dumps[index];
    if (dumped) await restoreDumped(migration, dumped, pausable);
  });
}

async function restoreDumped(
  migration: Migration,
  first: Dumped,
  pausable: CopyHooks['pausable'],
): Promise<void> {
  const { partition } = first;
  let dumped = first;
  for (;;) {
    const taskQueue = dumped.hostQueue;
    const overrides = { taskQueue, scheduleToStartTimeout: HOST_GONE } as const;
    const current = dumped;
    try {
      await pausable(() => step('restore', { detail: partition, overrides })(migration, current));
      return;
    } catch (error) {
      if (!isHostGone(error) && !isDumpLost(error)) throw error;
      dumped = await pausable(() => step('dump', { detail: partition })(migration, partition));
    }
  }
}

/** Runs work for each index below `count`, `lanes` at a time; the first failure ends them all. */
export async function runLanes(
  count: number,
  lanes: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      await work(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}

function isHostGone(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  );
}

function isDumpLost(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof ApplicationFailure &&
    error.cause.type === errorTypes.dumpLost
  );
}
