import type { Timestamp } from 'mongodb';
import type { Migration } from '../migration.js';
import { compareIds, explainDifferences, type DocumentDifference } from '../mongo/compare.js';
import { readWritesAfter } from '../mongo/late-writes.js';
import { Verification } from '../mongo/verification.js';
import { distinct, readUncompared } from '../mongo/verifier.js';
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
  { runId, options }: Migration,
  fence: Timestamp,
  force: readonly string[],
  { signal }: Pick<Pulse, 'signal'>,
): Promise<{ differences: readonly DocumentDifference[]; rechecked: number }> {
  const { control, source, sourceCollection, target, targetCollection } = opened;
  const verification = new Verification(target, targetCollection, runId);
  const known = [...(await verification.open()).values()].flat().map(({ id }) => id);
  const changed = force.includes('verification')
    ? []
    : await readUncompared(targetOf(opened), await control.read(), signal);
  const ids = distinct([...known, ...changed]);
  const found = await compareIds(sourceOf(opened), targetOf(opened), ids, signal);
  if (found.length === 0) return { differences: [], rechecked: ids.length };
  const late = new Set<string>();
  const pinned = await deps.connections.pinned(options.source);
  const db = pinned.db(source.databaseName);
  await readWritesAfter(db, sourceCollection, fence, signal, (id) => late.add(id.key));
  const differences = await explainDifferences(
    sourceOf(opened),
    targetOf(opened),
    found.filter(({ id }) => !late.has(id.key)),
    signal,
  );
  return { differences, rechecked: ids.length };
}
