import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  patched,
  sleep,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { Dumped } from '../activities/copy.js';
import { errorTypes } from '../errors.js';
import type { Migration } from '../migration.js';
import type { Lanes } from './lanes.js';
import { step } from './steps.js';

/** A host that does not take its restore for so long is gone; its partition is dumped elsewhere. */
const HOST_GONE = '10 minutes';

/** Seconds of rest before a partition is dumped again whose dump was lost more than once. */
const LOST_PAUSE = { first: 5, longest: 300 } as const;

/** A dump that was lost again and again. */
export interface DumpLoss {
  readonly times: number;
  readonly why: string;
}

/** How the copy is woven into the migration. */
export interface CopyHooks {
  /** Runs one activity; while the migration is paused it is cancelled and run again later. */
  readonly pausable: <T>(run: () => Promise<T>) => Promise<T>;
  /** The migration with what was tuned by now. */
  readonly tuned: () => Migration;
  readonly lanes: Lanes;
  /** Called with how often the dump of a partition has been lost, and why; nothing when it is restored after all. */
  readonly onLost: (partition: number, loss?: DumpLoss) => void;
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
  hooks: CopyHooks,
): Promise<void> {
  const { pausable, restoreAllowed, lanes } = hooks;
  const { copy, restore } = migration.options;
  const scope = CancellationScope.current();
  // What a message adds would else be beyond the reach of a restart or an abort.
  const within = (begin: () => void) =>
    patched('lanesWithin') ? void scope.run(async () => begin()) : begin();
  const each = (work: (index: number) => Promise<unknown>) => lanes.run(partitions, work, within);
  if (copy === 'direct') {
    await restoreAllowed();
    await each((index) =>
      pausable(() => step('copyPartition', { detail: index })(migration, index)),
    );
    return;
  }
  if (restore === 'auto') {
    await each(async (index) => restoreDumped(await dump(index, hooks), hooks));
    return;
  }
  const dumps: Dump[] = [];
  await each(async (index) => {
    dumps[index] = await dump(index, hooks);
  });
  await restoreAllowed();
  await each(async (index) => {
    const dumped = dumps[index];
    if (dumped) await restoreDumped(dumped, hooks);
  });
}

/** A dump, and the options that it was made with: the restore has to know whether it is compressed. */
interface Dump {
  readonly dumped: Dumped;
  readonly migration: Migration;
}

async function dump(index: number, { pausable, tuned }: CopyHooks): Promise<Dump> {
  return pausable(async () => {
    const migration = tuned();
    return { migration, dumped: await step('dump', { detail: index })(migration, index) };
  });
}

async function restoreDumped(first: Dump, hooks: CopyHooks): Promise<void> {
  let current = first;
  let losses = 0;
  for (;;) {
    const { dumped, migration } = current;
    const { partition, hostQueue: taskQueue } = dumped;
    const overrides = { taskQueue, scheduleToStartTimeout: HOST_GONE } as const;
    try {
      await hooks.pausable(() =>
        step('restore', { detail: partition, overrides })(migration, dumped),
      );
      hooks.onLost(partition);
      return;
    } catch (error) {
      const lost = dumpLost(error);
      if (!isHostGone(error) && lost === undefined) throw error;
      if (lost !== undefined) losses += 1;
      // Each loss is a new activity, which Temporal neither counts nor lets rest.
      if (losses > 1 && lost !== undefined && patched('lostDumps')) {
        hooks.onLost(partition, { times: losses, why: lost.message });
        await sleep(1000 * Math.min(LOST_PAUSE.longest, LOST_PAUSE.first * 2 ** (losses - 2)));
      }
      current = await dump(partition, hooks);
    }
  }
}

function isHostGone(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof TimeoutFailure &&
    error.cause.timeoutType === 'SCHEDULE_TO_START'
  );
}

function dumpLost(error: unknown): ApplicationFailure | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  const isLost = cause instanceof ApplicationFailure && cause.type === errorTypes.dumpLost;
  return isLost ? cause : undefined;
}
