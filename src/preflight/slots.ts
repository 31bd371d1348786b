import type { Findings } from './report.js';

/** Activities of a migration that follows its source: capture, replay, indexes, comparison, and one for search attributes. */
const FOLLOWING = 5;
/** Those of one that is copied, beside one for each partition. */
const COPYING = 2;

/** How many collections a worker is asked to move, and how many of them and of their partitions at a time. */
export interface Load {
  readonly collections: number;
  readonly parallelCopies: number;
  readonly parallelPartitions: number;
}

/** Activities that go on at the same time at most. */
export function slotsNeeded({ collections, parallelCopies, parallelPartitions }: Load): number {
  const copying = Math.min(collections, parallelCopies);
  return collections * FOLLOWING + copying * (COPYING + parallelPartitions);
}

/**
 * Warns when the worker that looks has too few activity slots for what it is asked.
 * @param slots its `CSM_MAX_ACTIVITIES`.
 */
export function checkSlots(findings: Findings, load: Load, slots: number): void {
  const needed = slotsNeeded(load);
  if (slots >= needed) return;
  const { collections } = load;
  const what = collections === 1 ? 'this migration' : `these ${collections} collections`;
  findings.warn(
    'slotsShort',
    `${what} may need ${needed} activities at the same time (${FOLLOWING} for each collection that follows its ` +
      `source, and ${COPYING} + parallelPartitions for each that is copied), and the worker that looked takes ` +
      `${slots} (CSM_MAX_ACTIVITIES). What finds no room waits, the capture of changes too: set ` +
      `CSM_MAX_ACTIVITIES to ${needed} or more, or run more workers; other workers are not counted here`,
  );
}
