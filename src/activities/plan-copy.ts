import { errorTypes, PermanentError } from '../errors.js';
import type { Migration } from '../migration.js';
import { createLike, type LeftOut } from '../mongo/create-like.js';
import { describeRebuilds } from '../mongo/final-plan.js';
import { planPartitions } from '../mongo/partitions.js';
import { probeShape } from '../mongo/probe-shape.js';
import { type ActivityDependencies, open, type Opened, readSourceCatalogue } from './context.js';
import { withPulse } from './pulse.js';

/** A plan, and what has to be known of it. */
export interface PlannedCopy {
  readonly partitions: number;
  readonly warnings: readonly string[];
}

/**
 * Creates the staging collection with the source's options, tries what the cutover will bring into force there,
 * and cuts the source into partitions. Safe to run again: an existing plan and staging collection stay, and what
 * an attempt before this one has tried is taken away.
 * @returns the number of partitions; with warnings only where there are some.
 * @throws PermanentError PreflightFailed when the target does not take an index or option.
 */
export async function planCopy(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<number | PlannedCopy> {
  const opened = open(deps, migration);
  return withPulse(
    () => ({ doing: 'planning the copy' }),
    async ({ signal, touch }) => {
      await ensureStaging(opened, migration, signal);
      const { target, staging, plan, control } = opened;
      // Once there is a plan, staging may hold documents.
      // In a later round the shape is followed as it is: what is refused then ends nothing.
      const isFirst = migration.round === undefined && (await plan.count()) === 0;
      const rebuilt = isFirst ? await checkShape(opened, migration, signal, touch) : [];
      const { documents, bytes, capped } = migration.traits;
      const { copy, partitionBytes, parallelPartitions } = migration.options;
      const staggered = copy === 'dump' && parallelPartitions > 1;
      const sizes = { documents, bytes, partitionBytes, parallelPartitions };
      const planned = await planPartitions(
        { db: opened.source, collection: opened.sourceCollection },
        [{ db: target, collection: staging }],
        { ...sizes, singlePartition: capped, staggered },
        { signal, touch },
      );
      const partitions = await plan.save(planned, (session) => control.fenceCopy(session));
      const { leftOut = [] } = await control.read();
      const slow = rebuilt.length > 0 ? [describeRebuilds(rebuilt, documents)] : [];
      const warnings = [...leftOut.map(warningOf), ...slow];
      return warnings.length === 0 ? partitions : { partitions, warnings };
    },
  );
}

/** Creates the staging collection, unless it is there or has its final name already. */
export async function ensureStaging(
  opened: Opened,
  { traits }: Pick<Migration, 'traits'>,
  signal: AbortSignal,
): Promise<void> {
  const { target, staging, control } = opened;
  const catalogue = await readSourceCatalogue(opened, traits, signal);
  const { stagingUuid, renamed } = await control.read();
  if (renamed) return;
  const leftOut: LeftOut[] = [];
  const uuid = await createLike(target, staging, catalogue, {
    signal,
    preImages: traits.preImages,
    uuid: stagingUuid,
    onLeftOut: (left) => leftOut.push(left),
  });
  const found = leftOut.length > 0 && { leftOut: { $literal: leftOut } };
  await control.record({ stagingUuid: uuid, ...found });
}

function warningOf({ option, why }: LeftOut): string {
  return `the target does not take the option ${option} (${why}), so that the collection there is without it`;
}

/**
 * @returns the indexes that the cutover will build again although the plan does not say so.
 * @throws PermanentError PreflightFailed with all indexes and options that the target does not take.
 */
async function checkShape(
  opened: Opened,
  { traits }: Migration,
  signal: AbortSignal,
  touch: () => void,
): Promise<readonly string[]> {
  const { target: db, staging: collection } = opened;
  const source = await readSourceCatalogue(opened, traits, signal);
  const { features } = traits;
  const rebuilt = new Set<string>();
  const onRebuild = (index: string) => void rebuilt.add(index);
  const refused = await probeShape({ db, collection, source, features, signal, touch, onRebuild });
  if (refused.length === 0) return [...rebuilt];
  const reasons = refused.map(({ what, why }) => `${what}: ${why.trim()}`);
  throw new PermanentError(
    errorTypes.preflightFailed,
    `the target does not take ${refused.length === 1 ? 'this' : 'these'} of the source:\n` +
      `${reasons.map((reason) => `- ${reason}`).join('\n')}\n` +
      'Nothing was copied. Drop it at the source, or build it there in a form that the target takes, or ' +
      'migrate to a newer target, and start again',
    refused.map(({ what, why }) => ({ code: 'shape', message: `${what}: ${why}` })),
  );
}
