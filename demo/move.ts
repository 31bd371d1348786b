import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { CutoverReport } from '../src/migration.js';
import { follow } from './follow.js';
import type { Migration } from './migration.js';
import type { Stage } from './stage.js';
import type { Writers } from './writers.js';

/** How the move went. */
export interface Move {
  /** The product's own report. */
  readonly report: CutoverReport;
  /** Milliseconds from the last write on the source to the first one on the target. */
  readonly downtimeMs: number;
}

const TRIES = 3;

/**
 * Moves an application over, as one would: stops its writes to the source and waits for those under way, asks for the
 * cutover, and writes to the target as soon as that is answered. When it is refused, the application goes on as before and
 * tries again later.
 *
 * @throws Error when it was refused three times
 */
export async function moveApplication(
  stage: Stage,
  migration: Migration,
  onSource: Writers,
  onTarget: Writers,
): Promise<Move> {
  for (let tries = 1; ; tries++) {
    await onSource.stop();
    try {
      const report = await migration.cutover();
      onTarget.start();
      await onTarget.began;
      const downtimeMs = (onTarget.firstAt ?? 0) - (onSource.lastAt ?? 0);
      return { report, downtimeMs };
    } catch (error) {
      if (!(error instanceof WorkflowUpdateFailedError) || tries === TRIES) throw error;
      onSource.start();
      stage.say(`  ${error.cause?.message ?? error.message}; the writers go on on the source`);
      await follow(stage, migration, onSource, ({ mayCutOver }) => mayCutOver);
    }
  }
}
