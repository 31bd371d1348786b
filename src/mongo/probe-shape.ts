import type { Db } from 'mongodb';
import { type Catalogue, type IndexSpec, indexName, majority, readCatalogue } from './catalogue.js';
import { collMod } from './coll-mod.js';
import { applyStep, describeStep } from './final-form.js';
import { type FinalFeatures, type FinalStep, planFinal } from './final-plan.js';
import { loadForms } from './index-twins.js';
import { createIndexes, secondaryIndexes } from './indexes.js';
import { runCommand } from './raw.js';
import { isShapeRefused } from './shape-refusal.js';

/** An index or option that the target's server does not take. */
export interface RefusedShape {
  /** `index "total_1"`, `option "validator"`. */
  readonly what: string;
  /** The server's words. */
  readonly why: string;
}

/** Where to try what. */
export interface Probe {
  readonly db: Db;
  /** A collection that is empty, and nobody else's. */
  readonly collection: string;
  readonly source: Catalogue;
  readonly features: FinalFeatures;
  readonly signal: AbortSignal;
  /** Called when the work has moved. */
  readonly touch?: () => void;
  /**
   * Told of an index that the cutover will build again, against the plan: a server may run by the rules of an older
   * version, which its user cannot read.
   */
  readonly onRebuild?: (index: string) => void;
}

/**
 * Builds all indexes on an empty collection, brings them into their final form as the cutover will, sets the
 * validator, and takes all of it away again: only the server knows what it does not take, and after the copy, or
 * after the fence, is late to hear of it. May run again after a crash.
 * @returns what the server does not take, with its words.
 */
export async function probeShape(probe: Probe): Promise<readonly RefusedShape[]> {
  await clear(probe);
  const refused = new Map<string, string>();
  await tryIndexes(probe, refused);
  const { beforeOpening, afterOpening } = planFinal(probe.source, probe.features);
  for (const step of [...beforeOpening, ...afterOpening]) {
    const what = describeStep(step);
    probe.touch?.();
    if (!refused.has(what)) await attempt(what, refused, () => tryStep(probe, step));
  }
  await clear(probe);
  return [...refused].map(([what, why]) => ({ what, why }));
}

/** All at once first: that is how they are built. One by one they take longer, and tell which it is. */
async function tryIndexes(probe: Probe, refused: Map<string, string>): Promise<void> {
  const forms = loadForms(probe.source);
  const together = new Map<string, string>();
  probe.touch?.();
  await attempt('indexes', together, () => build(probe, forms));
  if (together.size === 0) return;
  for (const form of forms) {
    probe.touch?.();
    await attempt(`index "${indexName(form)}"`, refused, () => build(probe, [form]));
  }
  // One that is taken alone, and not with the others.
  if (refused.size === 0) for (const [what, why] of together) refused.set(what, why);
}

async function tryStep(probe: Probe, step: FinalStep): Promise<void> {
  const { db, collection, source, signal, onRebuild } = probe;
  switch (step.kind) {
    case 'validator': {
      const validationAction = source.options.get('validationAction');
      return collMod(
        db,
        collection,
        {
          validator: source.options.get('validator') ?? {},
          // A statement that comes late must not keep documents out.
          validationLevel: 'off',
          ...(validationAction && { validationAction }),
        },
        { signal },
      );
    }
    case 'expireClustered':
      // Whatever has clustered collections has this, and the staging collection must never expire.
      return undefined;
    default:
      return applyStep({ db, collection, source, signal, onRebuild }, step);
  }
}

function build({ db, collection, signal }: Probe, specs: readonly IndexSpec[]): Promise<void> {
  return createIndexes(db, collection, specs, { signal });
}

async function attempt(
  what: string,
  refused: Map<string, string>,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!isShapeRefused(error)) throw error;
    refused.set(what, error.message);
  }
}

/** Takes away what was tried, by this attempt or one before it. */
async function clear({ db, collection, signal }: Probe): Promise<void> {
  const found = await readCatalogue(db, collection, signal);
  if (found && secondaryIndexes(found).length > 0) {
    const command = { dropIndexes: collection, index: '*', writeConcern: majority };
    await runCommand(db, command, { signal });
  }
  const levels = ['validator', 'validationLevel', 'validationAction'];
  if (!levels.some((option) => found?.options.has(option))) return;
  const none = { validator: {}, validationLevel: 'strict', validationAction: 'error' };
  await collMod(db, collection, none, { signal });
}
