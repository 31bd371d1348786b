import { type Catalogue, type IndexSpec, indexName } from './catalogue.js';
import { indexMeaning } from './catalogue-difference.js';
import { hasFlag, loadForm, secondaryIndexes } from './indexes.js';

/**
 * Indexes as they are built before the target follows the source. Since 5.0 a collection may have
 * two indexes that differ in nothing but `unique` (and name, expiry, `hidden`); without it they
 * would be the same index, which a server refuses. Of such twins only the unique one is built; it
 * serves the same queries.
 */
export function loadForms(catalogue: Pick<Catalogue, 'indexes'>): IndexSpec[] {
  const twins = plainTwins(catalogue);
  return secondaryIndexes(catalogue)
    .filter((spec) => !twins.has(indexName(spec)))
    .map(loadForm);
}

/** Names of the indexes that have to wait until their unique twin is unique. */
export function plainTwins(catalogue: Pick<Catalogue, 'indexes'>): ReadonlySet<string> {
  const specs = secondaryIndexes(catalogue);
  const unique = new Set(specs.filter((spec) => hasFlag(spec, 'unique')).map(identity));
  const plain = specs.filter((spec) => !hasFlag(spec, 'unique') && unique.has(identity(spec)));
  return new Set(plain.map(indexName));
}

/** Whether two indexes have one key and one collation, which servers before 5.0 do not allow. */
export function hasEqualKeys(catalogue: Pick<Catalogue, 'indexes'>): boolean {
  const keys = secondaryIndexes(catalogue).map((spec) => only(spec, ['key', 'collation']));
  return new Set(keys).size < keys.length;
}

/** What a server tells an index from others by, but for `unique`. */
function identity(spec: IndexSpec): string {
  return only(spec, ['key', 'collation', 'partialFilterExpression', 'sparse']);
}

function only(spec: IndexSpec, names: readonly string[]): string {
  return indexMeaning(new Map([...spec].filter(([name]) => names.includes(name))));
}
