import type { Db, UUID } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { IndexProgress, Migration } from '../migration.js';
import { indexName, readCatalogue, readIndexes } from '../mongo/catalogue.js';
import { FencedError } from '../mongo/control.js';
import { loadForms } from '../mongo/index-twins.js';
import { createIndexes, dropIndex, hasFlag, secondaryIndexes } from '../mongo/indexes.js';
import { runCommand } from '../mongo/raw.js';
import { isRefusal } from '../mongo/refusal.js';
import { isShapeRefused } from '../mongo/shape-refusal.js';
import { stageIndexes } from '../mongo/staged-indexes.js';
import { type ActivityDependencies, open, readSourceCatalogue } from './context.js';
import { withPulse } from './pulse.js';

const NAMESPACE_NOT_FOUND = 26;
const NAMESPACE_EXISTS = 48;

/**
 * Builds the source's indexes on the staging collection, in the form they have until the cutover.
 * Safe to run again: a build that is still running is joined, what is there stays.
 * @returns the number of indexes besides that of `_id`.
 */
export async function buildIndexes(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<number> {
  const opened = open(deps, migration);
  const { target, staging, control } = opened;
  // The query `status` shows it from here.
  const status: { doing: string; progress?: IndexProgress } = { doing: 'building indexes' };
  return withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      const catalogue = await readSourceCatalogue(opened, migration.traits, signal);
      const specs = loadForms(catalogue);
      if ((await control.read()).renamed) return specs.length;
      const options = {
        signal,
        onProgress: (progress: IndexProgress) => {
          touch();
          status.progress = progress;
        },
      };
      await dropFinalForms(target, staging, signal);
      try {
        await stageIndexes(target, staging, specs, options);
      } catch (error) {
        if (!isRefused(error)) throw error;
        // What the source has got since the target was tried; `followShape` says so, and the cutover is refused.
        for (const spec of specs)
          await createIndexes(target, staging, [spec], options).catch(ignore);
      }
      return specs.length;
    },
  );
}

function ignore(error: unknown): void {
  if (!isRefused(error)) throw error;
}

/** The server takes an index not as it is, or not over a document that the source may have mended since. */
function isRefused(error: unknown): boolean {
  return isShapeRefused(error) || isRefusal(error);
}

/** What an attempt to plan the copy tried that was given up, and came late: replay could not live with it. */
async function dropFinalForms(target: Db, staging: string, signal: AbortSignal): Promise<void> {
  const indexes = await readIndexes(target, staging, signal);
  // Not that of a clustered collection, which is unique and cannot be dropped.
  for (const spec of secondaryIndexes({ indexes })) {
    const isFinal = hasFlag(spec, 'unique') || hasFlag(spec, 'prepareUnique');
    if (!isFinal && !spec.has('expireAfterSeconds')) continue;
    await dropIndex(target, staging, indexName(spec), { signal });
  }
}

/**
 * Gives the staging collection its final name. From now on a late write of an earlier copy goes into
 * a namespace that nobody reads. Safe to run again: the collection is known by its UUID.
 * @throws PermanentError PreflightFailed when a collection of the final name has appeared meanwhile.
 */
export async function renameStaging(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<string> {
  const { target, targetCollection, staging, control } = open(deps, migration);
  const final = `${target.databaseName}.${targetCollection}`;
  return withPulse(
    () => ({ doing: `renaming the copy to ${final}` }),
    async ({ signal }) => {
      const { stagingUuid, renamed, round = 0 } = await control.read();
      if (round !== control.round) throw new FencedError('the copy');
      if (renamed) return final;
      await checkStaging(target, staging, stagingUuid, signal);
      const rename = {
        renameCollection: `${target.databaseName}.${staging}`,
        to: final,
        writeConcern: { w: 'majority' },
      };
      try {
        await runCommand(target.client.db('admin'), rename, { signal });
      } catch (error) {
        const { code } = error as { code?: number };
        if (code !== NAMESPACE_NOT_FOUND && code !== NAMESPACE_EXISTS) throw error;
        const existing = await readCatalogue(target, targetCollection, signal);
        const isOurs = stagingUuid !== undefined && existing?.uuid?.equals(stagingUuid);
        if (!isOurs) {
          throw new PermanentError(
            errorTypes.preflightFailed,
            `${final} has appeared at the target while the copy ran, so that the copy cannot take ` +
              'its name; drop or rename it and start again',
          );
        }
      }
      failpoint('staging-renamed');
      // All that is older than a copy after the first is in it.
      const through = { $ifNull: ['$replay.through', '$replay.from'] };
      await control.record({ renamed: true, 'replay.through': through });
      return final;
    },
  );
}

/**
 * What is in a staging collection that somebody has dropped meanwhile, and mongorestore has made
 * again, is a part of the copy.
 * @throws PermanentError ControlDocumentLost when it is another collection than the one that was filled.
 */
async function checkStaging(
  target: Db,
  staging: string,
  uuid: UUID | undefined,
  signal: AbortSignal,
): Promise<void> {
  const found = await readCatalogue(target, staging, signal);
  if (!found?.uuid || !uuid || found.uuid.equals(uuid)) return;
  throw new PermanentError(
    errorTypes.controlLost,
    `${target.databaseName}.${staging} at the target, which the copy has filled, was dropped and made ` +
      'again while the migration ran; start the migration again',
  );
}
