import { memberPhases } from '../workflows/group/lines.js';
import type { GroupStatus } from '../workflows/group/status.js';
import { firstOf } from '../shorten.js';
import { number } from './format.js';

/** How many collections are in which phase: `1 queued, 2 copying, 9 ready`. */
export function describeCounts({ counts }: GroupStatus): string {
  const parts = memberPhases.flatMap((phase) => {
    const many = counts[phase];
    return many === undefined ? [] : [`${number(many)} ${phase}`];
  });
  return parts.join(', ');
}

/** Collections that have ended, and were not cut over. */
export function endedWithout({ counts }: GroupStatus): number {
  return (counts.failed ?? 0) + (counts.aborted ?? 0);
}

/** The first of a group's namespaces and patterns, and how many more. */
export function describeNamespaces(namespaces: readonly string[], shown = 3): string {
  return firstOf(namespaces, shown);
}
