import { BSON, type Db, type Document, MongoServerError } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import {
  type Catalogue,
  errorCode,
  type IndexSpec,
  indexName,
  readCatalogue,
  readIndexes,
} from './catalogue.js';
import { meaning, sameIndex } from './catalogue-difference.js';
import { collMod, isCollModRefused } from './coll-mod.js';
import { expirySeconds, NEVER } from './expiry.js';
import { describeDuplicates, duplicatesError, type Violation } from './duplicates.js';
import type { FinalPlan, FinalStep } from './final-plan.js';
import {
  createIndexes,
  type CreateIndexesOptions,
  dropIndex,
  finalForm,
  hasFlag,
  listedForm,
  loadForm,
} from './indexes.js';
import type { RawValue } from './raw.js';
import { isShapeRefused } from './shape-refusal.js';

const DUPLICATE_KEY = 11000;
const CANNOT_CONVERT_TO_UNIQUE = 359;

/** The collection at the target, and what it has to become. */
export interface FinalContext extends CreateIndexesOptions {
  readonly db: Db;
  readonly collection: string;
  /** Catalogue of the source. */
  readonly source: Catalogue;
  /**
   * Throws when another attempt of the cutover has taken over. Without it one that was cut off could take
   * uniqueness away again from a target that its successor has opened.
   */
  readonly check?: () => Promise<void>;
  /** Told of an index that has to be built again because the server does not change it as the plan wants. */
  readonly onRebuild?: ((index: string) => void) | undefined;
}

/**
 * Brings into force what applications rely on: uniqueness, validator, expiry. Applications may
 * write when it returns. May run again: what is in force stays.
 * @throws PermanentError CutoverRefused when an index that is unique at the source finds duplicates.
 * @throws ShapeRefusedError when the server does not take something as it is.
 */
export async function enforceFinal(context: FinalContext, plan: FinalPlan): Promise<void> {
  for (const step of plan.beforeOpening) {
    try {
      await applyStep(context, step);
    } catch (error) {
      if (!isShapeRefused(error)) throw error;
      throw new ShapeRefusedError(describeStep(step), error.message);
    }
  }
}

/** The target's server does not take an index or option; asking again does not help. */
export class ShapeRefusedError extends Error {
  /** `index "total_1"`, `option "validator"`. */
  readonly what: string;
  /** The server's words. */
  readonly problem: string;
  constructor(what: string, problem: string) {
    super(`${what}: ${problem}`);
    this.what = what;
    this.problem = problem;
  }
}

/** What a step is about, for people. */
export function describeStep(step: FinalStep): string {
  if (step.kind === 'validator') return 'option "validator"';
  if (step.kind === 'expireClustered') return 'option "expireAfterSeconds"';
  return `index "${step.index}"`;
}

/**
 * Does what can follow while applications write: prepared indexes become unique. One that cannot hinders no other. May
 * run again.
 * @throws PermanentError CutoverRefused, once all have been tried, when an index that is unique at the source finds
 *   duplicates or the server does not take it, as beside one of its key that somebody has built since.
 */
export async function convertUnique(context: FinalContext, plan: FinalPlan): Promise<void> {
  const refused: string[] = [];
  for (const step of plan.afterOpening) {
    try {
      await applyStep(context, step);
    } catch (error) {
      const message = refusalMessage(step, error);
      if (message === undefined) throw error;
      refused.push(message);
    }
  }
  if (refused.length > 0) throw new PermanentError(errorTypes.cutoverRefused, refused.join('; '));
}

/** Why asking again does not help; nothing where it may. */
function refusalMessage(step: FinalStep, error: unknown): string | undefined {
  if (isShapeRefused(error)) {
    const what = describeStep(step);
    return `the target does not take the ${what} as it is at the source (${error.message}): drop what is in its way, and build it there`;
  }
  return isRefusal(error) ? error.message : undefined;
}

/** Whether an index finds duplicates where it has to be unique. */
export function isRefusal(error: unknown): error is PermanentError {
  return error instanceof PermanentError && error.type === errorTypes.cutoverRefused;
}

/**
 * Takes back what `enforceFinal` did and replay could not live with: a unique index refuses values
 * that move between documents, a validator refuses documents older than itself, and expiry deletes what
 * the source may still have, which no later change would bring again. May run again.
 */
export async function relaxFinal(context: FinalContext, plan: FinalPlan): Promise<void> {
  const current = await readCatalogue(context.db, context.collection, context.signal);
  for (const step of plan.beforeOpening) {
    if (step.kind === 'validator' && current?.options.has('validator')) {
      await modify(context, { validator: {} });
    }
    if (step.kind === 'expireClustered' && current?.options.has('expireAfterSeconds')) {
      await modify(context, { expireAfterSeconds: 'off' });
    }
    if (!('index' in step)) continue;
    const index = current?.indexes.find((spec) => indexName(spec) === step.index);
    if (!index) continue;
    if (step.kind === 'expire') {
      await stopExpiry(context, index);
    } else if (hasFlag(index, 'unique')) {
      await rebuildForLoad(context, step.index);
    } else {
      if (hasFlag(index, 'prepareUnique')) {
        await modify(context, { index: { name: step.index, prepareUnique: false } });
      }
      await stopExpiry(context, index);
    }
  }
}

/** No server makes an ordinary index of a TTL one. One that takes 68 years to delete something will do. */
async function stopExpiry(context: FinalContext, index: IndexSpec): Promise<void> {
  const seconds = expirySeconds(index.get('expireAfterSeconds'));
  if (seconds === undefined || seconds === NEVER) return;
  const name = indexName(index);
  try {
    await modify(context, { index: { name, expireAfterSeconds: NEVER } });
  } catch (error) {
    if (!isCollModRefused(error)) throw error;
    await rebuildForLoad(context, name);
  }
}

/** Builds an index once more in the form in which changes can be replayed. */
async function rebuildForLoad(context: FinalContext, name: string): Promise<void> {
  const { db, collection, source, signal } = context;
  const spec = source.indexes.find((each) => indexName(each) === name);
  if (!spec) return;
  await context.check?.();
  await dropIndex(db, collection, name, { signal });
  await createIndexes(db, collection, [loadForm(spec)], context);
}

/** Does one step. One that was done already changes nothing. */
export async function applyStep(context: FinalContext, step: FinalStep): Promise<void> {
  switch (step.kind) {
    case 'validator':
      return applyValidator(context);
    case 'expireClustered':
      return modify(context, { expireAfterSeconds: step.seconds });
    case 'rebuild':
      return rebuild(context, step.index);
    case 'expire': {
      const { index: name, seconds } = step;
      const current = await currentIndex(context, name);
      if (expirySeconds(current?.get('expireAfterSeconds')) === seconds) return undefined;
      return modifyIndex(context, current, { name, expireAfterSeconds: seconds });
    }
    case 'prepareUnique': {
      const current = await currentIndex(context, step.index);
      if (current && (hasFlag(current, 'unique') || hasFlag(current, 'prepareUnique')))
        return undefined;
      return modifyIndex(context, current, { name: step.index, prepareUnique: true });
    }
    case 'convertUnique': {
      // As a rule it is prepared already; where it had to be built again, it is unique.
      await applyStep(context, { kind: 'prepareUnique', index: step.index });
      const current = await currentIndex(context, step.index);
      if (current && hasFlag(current, 'unique')) return undefined;
      return modifyIndex(context, current, { name: step.index, unique: true });
    }
    default:
      return step satisfies never;
  }
}

async function applyValidator(context: FinalContext): Promise<void> {
  const { db, collection, source, signal } = context;
  const wanted = ['validator', 'validationLevel', 'validationAction'] as const;
  const held = wanted.flatMap((name): [string, RawValue][] => {
    const value = source.options.get(name);
    return value ? [[name, value]] : [];
  });
  const current = await readCatalogue(db, collection, signal);
  const differs = held.some(([name, value]) => {
    const now = current?.options.get(name);
    return !now || meaning(now) !== meaning(value);
  });
  if (differs) await modify(context, Object.fromEntries(held));
}

/** Changes an index that is there; builds it whole where the server or the user cannot. */
async function modifyIndex(
  context: FinalContext,
  current: IndexSpec | undefined,
  change: { readonly name: string } & Document,
): Promise<void> {
  const { db, collection } = context;
  if (!current) return rebuild(context, change.name);
  try {
    return await modify(context, { index: change });
  } catch (error) {
    if (isCollModRefused(error)) {
      context.onRebuild?.(change.name);
      return rebuild(context, change.name);
    }
    if (errorCode(error) !== CANNOT_CONVERT_TO_UNIQUE) throw error;
    const found: readonly Violation[] | undefined =
      error instanceof MongoServerError ? error.errorResponse['violations'] : undefined;
    const keys = await describeDuplicates(db, collection, current, found ?? []);
    throw duplicatesError(`${db.databaseName}.${collection}`, change.name, keys);
  }
}

async function rebuild(context: FinalContext, name: string): Promise<void> {
  const { db, collection, source, signal } = context;
  const spec = source.indexes.find((each) => indexName(each) === name);
  if (!spec) {
    throw new PermanentError(
      errorTypes.cutoverRefused,
      `the index "${name}" is not at the source any more: drop it at the target, or build it there as it is to be`,
    );
  }
  const wanted = finalForm(spec);
  const current = await currentIndex(context, name);
  if (!current || !sameIndex(current, listedForm(wanted))) {
    await context.check?.();
    if (current) await dropIndex(db, collection, name, { signal });
  }
  // One that an attempt before this one has begun is in the list too: this waits for its end.
  try {
    await createIndexes(db, collection, [wanted], context);
  } catch (error) {
    // 4.4 puts keys of a collation into its answer, which are not text and fail to decode.
    const unreadable = error instanceof BSON.BSONError;
    if (errorCode(error) !== DUPLICATE_KEY && !unreadable) throw error;
    const keyValue: unknown = error instanceof MongoServerError ? error['keyValue'] : 'not shown';
    // Whoever looks into the duplicates, or goes on without the cutover, is better off with an index.
    await createIndexes(db, collection, [loadForm(spec)], context);
    throw duplicatesError(
      `${db.databaseName}.${collection}`,
      name,
      BSON.EJSON.stringify(keyValue ?? {}),
    );
  }
}

async function currentIndex(context: FinalContext, name: string): Promise<IndexSpec | undefined> {
  const { db, collection, signal } = context;
  const indexes = await readIndexes(db, collection, signal);
  return indexes.find((spec) => indexName(spec) === name);
}

async function modify(context: FinalContext, change: Document): Promise<void> {
  const { db, collection, signal, check } = context;
  await check?.();
  await collMod(db, collection, change, { signal });
}
