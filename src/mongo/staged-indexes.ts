import type { Db } from 'mongodb';
import { errorCode, type IndexSpec, indexName, readIndexes } from './catalogue.js';
import { sameIndex } from './catalogue-difference.js';
import {
  createIndexes,
  type CreateIndexesOptions,
  dropIndex,
  hasVersionOf,
  listedForm,
  secondaryIndexes,
} from './indexes.js';

const INDEX_NOT_FOUND = 27;
/** IndexOptionsConflict and IndexKeySpecsConflict. */
const OTHER_INDEX: readonly (number | undefined)[] = [85, 86];

/**
 * Builds indexes on a collection that is this migration's alone. An index that an earlier attempt has built,
 * or still builds, and that has changed at the source since, would keep the new one from being built for
 * ever: it is dropped.
 */
export async function stageIndexes(
  db: Db,
  collection: string,
  specs: readonly IndexSpec[],
  options: CreateIndexesOptions = {},
): Promise<void> {
  // A server would take one of another version for the one that is wanted, and say nothing.
  await dropWhere((index) =>
    specs.some((spec) => indexName(spec) === indexName(index) && !hasVersionOf(spec, index)),
  );
  try {
    return await createIndexes(db, collection, specs, options);
  } catch (error) {
    if (!OTHER_INDEX.includes(errorCode(error))) throw error;
  }
  await dropWhere((index) => !specs.some((spec) => sameIndex(listedForm(spec), listedForm(index))));
  await createIndexes(db, collection, specs, options);

  async function dropWhere(isOther: (index: IndexSpec) => boolean): Promise<void> {
    const indexes = await readIndexes(db, collection, options.signal);
    for (const index of secondaryIndexes({ indexes }).filter(isOther)) {
      await dropIndex(db, collection, indexName(index), options).catch((error: unknown) => {
        if (errorCode(error) !== INDEX_NOT_FOUND) throw error;
      });
    }
  }
}
