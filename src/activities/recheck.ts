import type { Timestamp } from 'mongodb';
import type { Migration } from '../migration.js';
import { compareIds, explainDifferences, type DocumentDifference } from '../mongo/compare.js';
import { readWritesAfter } from '../mongo/late-writes.js';
import type { RawValue } from '../mongo/raw.js';
import { readUncompared } from '../mongo/verifier.js';
import type { ActivityDependencies, Opened, Pulse } from './context.js';
import { sourceOf, targetOf } from './verify.js';

/**
 * Compares what is left to compare when everything up to the fence is applied: known differences,
 * and documents that have changed since the comparison last looked. A document that was written
 * after the fence is no difference: it is counted as a late write.
 */
export async function recheck(
  deps: ActivityDependencies,
  opened: Opened,
  { options }: Migration,
  fence: Timestamp,
  force: readonly string[],
  { signal, touch }: Pulse,
): Promise<{ differences: readonly DocumentDifference[]; rechecked: number }> {
  const { control, source, sourceCollection, verification } = opened;
  const sides = [sourceOf(opened), targetOf(opened)] as const;
  // In this order: what the comparison finds meanwhile is in the one or in the other.
  const state = await control.read();
  const known = (await verification.known()).map(({ id }) => id);
  const found = new Map<string, DocumentDifference>();
  let rechecked = 0;
  const compare = async (ids: readonly RawValue[]): Promise<void> => {
    const differences = await compareIds(...sides, ids, signal);
    for (const difference of differences) found.set(difference.id.key, difference);
    rechecked += ids.length;
    touch();
  };
  await compare(known);
  if (!force.includes('verification')) {
    for await (const { ids } of readUncompared(sides[1], state, signal)) await compare(ids);
  }
  if (found.size === 0) return { differences: [], rechecked };
  const pinned = await deps.connections.pinned(options.source);
  const db = pinned.db(source.databaseName);
  await readWritesAfter(db, sourceCollection, fence, signal, (id) => found.delete(id.key));
  const differences = await explainDifferences(...sides, [...found.values()], signal);
  return { differences, rechecked };
}
