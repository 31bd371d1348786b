import { BSON, BSONType, type Db, MongoServerError } from 'mongodb';
import type { IndexProgress } from '../migration.js';
import {
  type Catalogue,
  decode,
  indexFields,
  type IndexSpec,
  indexName,
  majority,
  readBuilding,
  readIndexes,
} from './catalogue.js';
import { sameIndex } from './catalogue-difference.js';
import { expirySeconds, numberTypes } from './expiry.js';
import { reportProgress } from './index-progress.js';
import { fields, type LimitedOptions, RawValue, runCommand } from './raw.js';

const BAD_VALUE = 2;

export interface CreateIndexesOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: IndexProgress) => void) | undefined;
}

const SIMPLE_COLLATION = new RawValue(BSONType.object, BSON.serialize({ locale: 'simple' }));

/** The indexes of a collection that a migration has to build: all but that of `_id`. */
export function secondaryIndexes(catalogue: Pick<Catalogue, 'indexes'>): IndexSpec[] {
  return catalogue.indexes.filter(
    (spec) => indexName(spec) !== '_id_' && decode(spec.get('clustered')) !== true,
  );
}

/** Whether a flag of an index is set; old servers stored flags as numbers too. */
export function hasFlag(spec: IndexSpec, flag: 'unique' | 'prepareUnique' | 'hidden'): boolean {
  return Boolean(decode(spec.get(flag)));
}

/** Versions of two kinds of indexes. A server leaves them out where it compares an index with one that is there. */
const kindVersions = ['2dsphereIndexVersion', 'textIndexVersion'] as const;

/** Whether an index that is there has the version of its kind that is wanted; any will do where none is. */
export function hasVersionOf(wanted: IndexSpec, there: IndexSpec): boolean {
  return kindVersions.every(
    (name) => !wanted.has(name) || decode(wanted.get(name)) === decode(there.get(name)),
  );
}

/**
 * An index as it is at the end. Where the list shows no collation, the index compares bytes, even
 * in a collection with a collation of its own, which a new index would inherit: so it is named.
 */
export function finalForm(spec: IndexSpec): IndexSpec {
  const form = new Map([...spec].filter(([name]) => indexFields.has(name)));
  const seconds = expirySeconds(spec.get('expireAfterSeconds'));
  if (seconds !== undefined) form.set('expireAfterSeconds', int(seconds));
  if (!form.has('collation')) form.set('collation', SIMPLE_COLLATION);
  return form;
}

/**
 * An index as it is while the target is filled: not unique, because unique values may move between
 * documents in any order, and not expiring, because the target must not delete on its own.
 */
export function loadForm(spec: IndexSpec): IndexSpec {
  const form = new Map(finalForm(spec));
  form.delete('unique');
  form.delete('expireAfterSeconds');
  return form;
}

/**
 * Builds indexes, all in one scan of the collection. A second run joins a build that is still
 * running, and builds nothing that is there.
 * @throws MongoServerError 11000 with `keyPattern` and `keyValue` when a unique index finds duplicates.
 */
export async function createIndexes(
  db: Db,
  collection: string,
  specs: readonly IndexSpec[],
  { signal, onProgress }: CreateIndexesOptions = {},
): Promise<void> {
  // A build that is still running is in the list too: only the command waits for its end.
  const building = await readBuilding(db, collection, signal);
  const listed = await readIndexes(db, collection, signal);
  const existing = listed.filter((spec) => !building.has(indexName(spec)));
  const missing = specs.filter(
    (spec) => !existing.some((other) => sameIndex(listedForm(other), listedForm(spec))),
  );
  if (missing.length === 0) return;
  const command = {
    createIndexes: collection,
    indexes: missing.map((spec) => Object.fromEntries(spec)),
    // The default waits for every member that votes, for ever when one of them is down.
    commitQuorum: 'majority',
    writeConcern: majority,
  };
  const build = runCommand(db, command, { signal }).catch((error: unknown) => {
    if (!refusesQuorum(error)) throw error;
    const { commitQuorum: _refused, ...plain } = command;
    return runCommand(db, plain, { signal });
  });
  if (!onProgress) {
    await build;
    return;
  }
  const finished = new AbortController();
  await Promise.all([
    build.finally(() => finished.abort()),
    reportProgress(db, collection, onProgress, finished.signal),
  ]);
}

/** As a server does that builds indexes in the way of 4.2, by its version or its featureCompatibilityVersion. */
function refusesQuorum(error: unknown): boolean {
  const isBad = error instanceof MongoServerError && error.code === BAD_VALUE;
  return isBad && error.message.includes('commitQuorum');
}

/** Drops an index; ends its build when it is still being built. */
export async function dropIndex(
  db: Db,
  collection: string,
  index: string,
  options: LimitedOptions = {},
): Promise<void> {
  await runCommand(db, { dropIndexes: collection, index, writeConcern: majority }, options);
}

/** BSON value of a whole number of 32 bits. */
export function int(value: number): RawValue {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return new RawValue(BSONType.int, bytes);
}

/** An index as a server lists it: without a simple collation. */
export function listedForm(spec: IndexSpec): IndexSpec {
  const collation = spec.get('collation');
  const locale = collation && decode(fields(collation.bytes).get('locale'));
  return locale === 'simple' ? new Map([...spec].filter(([name]) => name !== 'collation')) : spec;
}

/** Whether a value of a key is a number that servers take: of any type, but neither 0 nor NaN. */
function isDirection(value: RawValue): boolean {
  if (!numberTypes.includes(value.type)) return false;
  // As text, because JavaScript has no number for a long beyond 2^53 or a decimal. Servers take a decimal that is
  // too small for a double for 0.
  const number = Number(String(decode(value)));
  return number !== 0 && !Number.isNaN(number);
}

/**
 * Why no server of today builds this index, which an old one made; nothing when they do.
 * Values of a key that are neither a number but zero nor the name of a kind were possible before 3.4.
 */
export function indexProblem(spec: IndexSpec): string | undefined {
  for (const [field, direction] of fields(spec.get('key')?.bytes ?? BSON.serialize({}))) {
    const value = decode(direction);
    if (!isDirection(direction) && (typeof value !== 'string' || value === '')) {
      return `its key has ${JSON.stringify(value)} for "${field}"`;
    }
  }
  const seconds = decode(spec.get('expireAfterSeconds'));
  if (typeof seconds === 'number' && seconds < 0) return 'its expireAfterSeconds is negative';
  return undefined;
}
