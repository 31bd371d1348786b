import { Context } from '@temporalio/activity';
import { rm } from 'node:fs/promises';
import type { Db } from 'mongodb';
import { dumpFolderOf } from '../dump-folders.js';
import { failpoint } from '../failpoint.js';
import type { Migration } from '../migration.js';
import { readNames } from '../mongo/catalogue.js';
import { CONTROL_KIND, type ControlDocument } from '../mongo/control-document.js';
import { dropCopies } from '../mongo/discard-copy.js';
import { dropOwn } from '../mongo/drop-own.js';
import { isAtWork } from '../mongo/lag.js';
import { removeControl } from '../mongo/control-collection.js';
import { bufferName, CONTROL_COLLECTION, stagingName, stagingNames } from '../names.js';
import { type ActivityDependencies, open } from './context.js';

/**
 * Removes what a former run of a migration to this target left when it was terminated: buffer,
 * staging collection, control documents, dump files of this host. Does nothing while that run is
 * still open.
 */
export async function removeLeftovers(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<void> {
  const { target, targetCollection } = open(deps, migration);
  const former = await target
    .collection<ControlDocument>(CONTROL_COLLECTION, { readPreference: 'primary' })
    .findOne({ _id: targetCollection, kind: CONTROL_KIND, runId: { $ne: migration.runId } });
  if (!former) return;
  // One that this Temporal does not know may be another's.
  if ((await deps.isRunning(former.workflowId, former.runId)) ?? isAtWork(former)) return;
  Context.current().log.info('removing what a former run left', { formerRunId: former.runId });
  await dropMigrationState(target, targetCollection, former);
  await rm(dumpFolderOf(deps.dumpFolder, former.runId), { recursive: true, force: true });
}

/** What of a control document says which copies are the run's. */
type Copies = Pick<ControlDocument, 'round' | 'stagingTag' | 'discarded'>;

/**
 * Drops buffer, staging collections and a copy that was being discarded, then the run's documents in
 * `cdc`, and `cdc` if it is empty.
 */
export async function dropMigrationState(
  target: Db,
  collection: string,
  found: Pick<ControlDocument, 'runId' | 'bufferUuid'> & Copies,
): Promise<void> {
  await dropUnnamed(target, collection, found);
  await dropOwn(target, bufferName(collection), found.bufferUuid);
  failpoint('buffer-dropped');
  await removeControl(target, collection, found.runId);
}

/** Drops the copies that do not have the final name, or were to lose it. */
export async function dropUnnamed(target: Db, collection: string, found: Copies): Promise<void> {
  await dropCopies(target, collection, found);
  await dropOwn(target, stagingName(collection, found.round, found.stagingTag), undefined);
}

/**
 * Removes what is known to be a run's without its control document: by the run its other documents in `cdc`, by
 * the tag its staging collections.
 * @returns names that a migration to this collection uses and that are taken, nobody knows by whom; none
 * where another migration has claimed them.
 */
export async function removeUnclaimed(
  target: Db,
  collection: string,
  { runId, stagingTag }: Pick<ControlDocument, 'runId' | 'stagingTag'>,
): Promise<string[]> {
  const staging = stagingNames(collection);
  const names = [CONTROL_COLLECTION, bufferName(collection), staging, collection];
  const left: string[] = [];
  for (const name of await readNames(target, { $in: names })) {
    if (name === CONTROL_COLLECTION) await removeControl(target, collection, runId);
    else if (stagingTag === undefined || !staging.test(name)) left.push(name);
    else if (name.includes(`-${stagingTag}.`)) await dropOwn(target, name, undefined);
  }
  const claimed = await target
    .collection<ControlDocument>(CONTROL_COLLECTION, { readPreference: 'primary' })
    .findOne({ _id: collection });
  return claimed ? [] : left.toSorted();
}
