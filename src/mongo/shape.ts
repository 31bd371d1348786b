import type { Db } from 'mongodb';
import {
  type Catalogue,
  errorCode,
  type IndexSpec,
  readBuilding,
  readCatalogue,
} from './catalogue.js';
import { collMod } from './coll-mod.js';
import { createIndexes, dropIndex } from './indexes.js';
import { readPrivileges } from './privileges.js';
import { type LimitedOptions, runCommand } from './raw.js';
import { planShape, type ShapeFeatures, type ShapeStep } from './shape-plan.js';
import { isShapeRefused } from './shape-refusal.js';

const INDEX_NOT_FOUND = 27;

/** Both sides of a migration. */
export interface ShapeSides {
  readonly source: Db;
  readonly sourceCollection: string;
  readonly target: Db;
  readonly targetCollection: string;
}

/** What the source is like now, and in what the target differs from it. */
export interface ShapeNow {
  readonly source: Catalogue;
  readonly features: ShapeFeatures;
  readonly steps: readonly ShapeStep[];
}

/**
 * Compares the catalogues of both sides. A privilege `collMod` that was granted meanwhile counts.
 * @returns nothing when the source collection is no longer there.
 * @throws when the target collection is not there.
 */
export async function readShape(
  { source, sourceCollection, target, targetCollection }: ShapeSides,
  known: ShapeFeatures,
  signal: AbortSignal,
): Promise<ShapeNow | undefined> {
  // First what is being built: an index that is ready by the time of the list waits for nothing.
  const building = await readBuilding(target, targetCollection, signal);
  const [wanted, current] = await Promise.all([
    readCatalogue(source, sourceCollection, signal),
    readCatalogue(target, targetCollection, signal),
  ]);
  if (!wanted) return undefined;
  const name = `${target.databaseName}.${targetCollection}`;
  if (!current) {
    throw new Error(
      `${name} is no longer at the target: somebody has dropped or renamed it while the migration ran; ` +
        'send "restart", which copies it anew',
    );
  }
  const features = {
    preImages: known.preImages,
    collMod: known.collMod || (await readPrivileges(target, signal)).allows('collMod', name),
  };
  const steps = planShape(wanted, { ...current, building }, features);
  const same = new Set<string>();
  for (const step of steps) {
    if (step.kind !== 'drop' || !step.unlike) continue;
    if (await isTakenFor(target, targetCollection, step.unlike, signal)) same.add(step.what);
  }
  return { source: wanted, features, steps: steps.filter(({ what }) => !same.has(what)) };
}

/**
 * Whether the server takes an index for the one of its name that is there; not where it takes none of the kind, as of a
 * filter that only newer ones have. Builds nothing.
 */
async function isTakenFor(
  target: Db,
  collection: string,
  spec: IndexSpec,
  signal: AbortSignal,
): Promise<boolean> {
  const command = { createIndexes: collection, indexes: [Object.fromEntries(spec)] };
  try {
    await runCommand(target, command, { signal });
    return true;
  } catch (error) {
    if (isShapeRefused(error)) return false;
    throw error;
  }
}

/** Does one step at the target. One that was done already changes nothing. */
export async function carryStep(
  { target, targetCollection }: Pick<ShapeSides, 'target' | 'targetCollection'>,
  step: ShapeStep,
  options: LimitedOptions,
): Promise<void> {
  switch (step.kind) {
    case 'drop':
      return dropIndex(target, targetCollection, step.index, options).catch((error: unknown) => {
        if (errorCode(error) !== INDEX_NOT_FOUND) throw error;
      });
    case 'create':
      return createIndexes(target, targetCollection, [step.spec], options);
    case 'modify':
      return collMod(target, targetCollection, step.change, options);
    case 'impossible':
      throw new Error(`${step.what}: ${step.problem}`);
    default:
      return step satisfies never;
  }
}
