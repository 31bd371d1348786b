import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { dumpFolderOf } from '../dump-folders.js';
import { errorTypes, TransientError } from '../errors.js';
import type { LateWrites, Migration } from '../migration.js';
import { readUuid } from '../mongo/catalogue.js';
import { showId } from '../mongo/compare.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { dropOwn } from '../mongo/drop-own.js';
import { readWritesAfter } from '../mongo/late-writes.js';
import { removeMarker } from '../mongo/marker.js';
import { bufferName, CONTROL_COLLECTION, stagingName } from '../names.js';
import { type ActivityDependencies, open, type Opened } from './context.js';
import { withPulse } from './pulse.js';
import { dropMigrationState, dropUnnamed, removeUnclaimed } from './leftovers.js';

/** Looks for late writes for so long at most, in ms. */
const LOOK_MS = 5_000;
const SHOWN = 20;
/** For so long a source is asked for a marker that is left, and so many times: it may be switched off for good (ms). */
const MARKER_MS = 15_000;
const PATIENT_ATTEMPTS = 5;

/** What a clean-up is to remove. */
export interface CleanUpOptions {
  /** Leave buffer and control document. */
  readonly keepBuffer: boolean;
  /** Also drop the target collection that this migration has made. */
  readonly dropTarget: boolean;
}

/** What is left after the clean-up, in words. */
export interface CleanedUp {
  readonly removed: readonly string[];
  readonly left: readonly string[];
}

/** Counts the writes that reached the source after the fence: they are not at the target. */
export async function countLateWrites(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<LateWrites> {
  const { control, source, sourceCollection } = open(deps, migration);
  return withPulse(
    () => ({ doing: 'looking for writes that reached the source after the fence' }),
    async ({ signal, touch }) => {
      const { capture, fence } = await control.read();
      if (!fence || !capture.through) return { count: 0, first: [] };
      const pinned = await deps.connections.pinned(migration.options.source);
      const first: string[] = [];
      let count = 0;
      await readWritesAfter({
        db: pinned.db(source.databaseName),
        collection: sourceCollection,
        time: fence,
        signal,
        timeLimitMs: LOOK_MS,
        onWrite: (id) => {
          touch();
          count += 1;
          if (first.length < SHOWN) first.push(showId(id));
        },
      });
      return { count, first };
    },
  );
}

/**
 * Removes what the migration keeps: buffer, control documents, staging collection, dump files of
 * this host, the marker if one is left. Safe to run again. The source is not touched otherwise, and what is
 * at the target does not wait for it.
 */
export async function cleanUp(
  deps: ActivityDependencies,
  migration: Migration,
  options: CleanUpOptions,
): Promise<CleanedUp> {
  const opened = open(deps, migration);
  return withPulse(
    () => ({ doing: 'removing buffer, control document and dump files' }),
    async () => {
      await rm(dumpFolderOf(deps.dumpFolder, migration.runId), { recursive: true, force: true });
      const found = await opened.control.find();
      const cleaned = await cleanTarget(opened, found, migration, options);
      if (migration.options.token !== 'marker') return cleaned;
      const marker = await removeLastMarker(opened, found);
      return { ...cleaned, left: [...cleaned.left, ...marker] };
    },
  );
}

async function cleanTarget(
  { target, targetCollection }: Opened,
  found: ControlDocument | undefined,
  { runId, traits }: Migration,
  { keepBuffer, dropTarget }: CleanUpOptions,
): Promise<CleanedUp> {
  const inTarget = (name: string): string => `${target.databaseName}.${name}`;
  if (!found) {
    const identity = { runId, ...traits };
    const left = await removeUnclaimed(target, targetCollection, identity);
    return { removed: [], left: left.map(inTarget) };
  }
  const { renamed, stagingUuid, round, stagingTag } = found;
  const left: string[] = [];
  // An attempt that renamed it may have died before it said so.
  const isNamed =
    renamed ??
    (stagingUuid && (await readUuid(target, targetCollection))?.equals(stagingUuid)) ??
    false;
  if (isNamed && dropTarget) await dropOwn(target, targetCollection, stagingUuid);
  else if (isNamed) left.push(targetCollection);
  if (keepBuffer) {
    await dropUnnamed(target, targetCollection, found);
    left.push(CONTROL_COLLECTION, bufferName(targetCollection));
    return { removed: [], left: left.map(inTarget) };
  }
  await dropMigrationState(target, targetCollection, found);
  const removed = [
    bufferName(targetCollection),
    ...(isNamed ? [] : [stagingName(targetCollection, round, stagingTag)]),
    ...(isNamed && dropTarget ? [targetCollection] : []),
  ];
  return { removed: removed.map(inTarget), left: left.map(inTarget) };
}

/** @returns what may be left at the source because it does not answer, in words. */
async function removeLastMarker(
  { source, sourceCollection }: Opened,
  found: ControlDocument | undefined,
): Promise<string[]> {
  try {
    await Promise.race([removeMarker(source, sourceCollection), giveUp()]);
    return [];
  } catch (error) {
    // It was gone before the position was fixed: there is one of an attempt that came late, if any.
    if (found?.startToken) return [];
    if (Context.current().info.attempt < PATIENT_ATTEMPTS) throw error;
    return [
      `perhaps the marker (_id: -1) in ${source.databaseName}.${sourceCollection} at the source, ` +
        'which does not answer',
    ];
  }
}

async function giveUp(): Promise<never> {
  await sleep(MARKER_MS, undefined, { ref: false });
  throw new TransientError(
    errorTypes.unreachable,
    `the source did not say within ${MARKER_MS / 1000} s whether a marker is left`,
  );
}
