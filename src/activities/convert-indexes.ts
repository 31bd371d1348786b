import { Context } from '@temporalio/activity';
import { errorTypes, PermanentError } from '../errors.js';
import type { CatalogueReport, Migration } from '../migration.js';
import {
  type Catalogue,
  indexName,
  type IndexSpec,
  readCatalogue,
  readIndexes,
} from '../mongo/catalogue.js';
import { compareCatalogues } from '../mongo/catalogue-difference.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { convertUnique, describeStep, type FinalContext } from '../mongo/final-form.js';
import { type FinalPlan, type FinalStep, planFinal } from '../mongo/final-plan.js';
import { hasFlag } from '../mongo/indexes.js';
import { type ActivityDependencies, open, type Opened } from './context.js';
import { type Pulse, withPulse } from './pulse.js';

/** So many times a source that does not answer is tried again: it may be switched off for good by now. */
const PATIENT_ATTEMPTS = 5;

/**
 * Converts prepared indexes to unique ones, while applications write, and compares the indexes and
 * options of both sides when that is done. Safe to run again.
 * @returns nothing when the source collection is gone by now.
 */
export async function convertIndexes(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<CatalogueReport | undefined> {
  const opened = open(deps, migration);
  return withPulse(
    () => ({ doing: 'converting unique indexes' }),
    async (pulse) => {
      // A scan of one index takes long on a large collection and says nothing meanwhile.
      const alive = setInterval(() => pulse.touch(), 10_000);
      try {
        const control = await opened.control.find();
        const catalogue = await readSource(opened, control, pulse);
        if (!catalogue) {
          await convertWithoutSource(opened, control, pulse);
          return undefined;
        }
        const plan = planFinal(catalogue, migration.traits.features);
        const all = await planSinceFence(opened, control, { catalogue, plan }, pulse);
        await convertUnique(contextOf(opened, catalogue, pulse), all);
        return await compareShapes(opened, catalogue, pulse);
      } finally {
        clearInterval(alive);
      }
    },
  );
}

/** What the final form of the target's indexes and options is made from. */
export function finalContext(
  { target, targetCollection }: Opened,
  source: FinalContext['source'],
  { signal, touch }: Pulse,
): FinalContext {
  return { db: target, collection: targetCollection, source, signal, onProgress: touch };
}

/** What comes when the migration has been cleaned up could meet a later one of the same name. */
function contextOf(opened: Opened, source: Catalogue, pulse: Pulse): FinalContext {
  const check = async (): Promise<void> => {
    await opened.control.read();
  };
  return { ...finalContext(opened, source, pulse), check };
}

/** The source's catalogue; nothing when the collection, or the whole source, is gone since the cutover. */
async function readSource(
  { source, sourceCollection }: Opened,
  control: ControlDocument | undefined,
  { signal }: Pulse,
): Promise<Catalogue | undefined> {
  const { attempt } = Context.current().info;
  const found = await readCatalogue(source, sourceCollection, signal).catch((error: unknown) => {
    if (signal.aborted || attempt < PATIENT_ATTEMPTS) throw error;
    return undefined;
  });
  const uuid = control?.shape?.sourceUuid;
  return uuid && found?.uuid && !found.uuid.equals(uuid) ? undefined : found;
}

/**
 * What was to follow at the fence, although the source may have dropped some of it since, or made another of it: an
 * index that stayed prepared would not be taken for the unique one that an application asks for.
 */
async function planSinceFence(
  opened: Opened,
  control: ControlDocument | undefined,
  { catalogue, plan }: { readonly catalogue: Catalogue; readonly plan: FinalPlan },
  pulse: Pulse,
): Promise<FinalPlan> {
  const unbuilt = catalogue.indexes
    .map(indexName)
    .filter((index) => control?.unbuilt?.includes(index))
    .map((index) => ({ kind: 'rebuild', index }) as const);
  const { target, targetCollection } = opened;
  const prepared = preparedOf(await readIndexes(target, targetCollection, pulse.signal), control);
  const planned = new Set(plan.afterOpening.map(describeStep));
  const isOther = (step: FinalStep) => !planned.has(describeStep(step));
  return {
    ...plan,
    afterOpening: [...prepared.filter(isOther), ...plan.afterOpening, ...unbuilt.filter(isOther)],
  };
}

/** What the cutover has prepared and nobody has converted, or made another of, since. */
function preparedOf(
  there: readonly IndexSpec[],
  control: ControlDocument | undefined,
): readonly FinalStep[] {
  return there
    .filter((spec) => hasFlag(spec, 'prepareUnique'))
    .map(indexName)
    .filter((index) => control?.prepared?.includes(index))
    .map((index) => ({ kind: 'convertUnique', index }) as const);
}

/**
 * Converts what the cutover has prepared and is still there.
 * @throws PermanentError when indexes are missing that only the source knew how to build; the migration has it as a warning
 */
async function convertWithoutSource(
  opened: Opened,
  control: ControlDocument | undefined,
  pulse: Pulse,
): Promise<void> {
  const { target, targetCollection } = opened;
  const indexes = await readIndexes(target, targetCollection, pulse.signal);
  const there = indexes.map(indexName);
  const afterOpening = preparedOf(indexes, control);
  const source = {
    name: targetCollection,
    type: 'collection',
    uuid: undefined,
    options: new Map(),
    indexes: [],
  } as const;
  const context = contextOf(opened, source, pulse);
  await convertUnique(context, { beforeOpening: [], afterOpening });
  const unbuilt = (control?.unbuilt ?? []).filter((index) => !there.includes(index));
  if (unbuilt.length === 0) return;
  throw new PermanentError(
    errorTypes.cutoverRefused,
    'the source was gone before these indexes could be built at the target, which have the key of a unique one: ' +
      `${unbuilt.join(', ')}; build them there`,
  );
}

async function compareShapes(
  { target, targetCollection }: Opened,
  source: Catalogue,
  { signal }: Pulse,
): Promise<CatalogueReport> {
  const found = await readCatalogue(target, targetCollection, signal);
  const differences = found ? compareCatalogues(source, found) : [];
  return {
    indexes: source.indexes.length,
    options: source.options.size,
    differences: differences.map(
      ({ what, source: here, target: there }) => `${what}: source ${here}, target ${there}`,
    ),
  };
}
