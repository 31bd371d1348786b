import { BSON, type Db, type Document } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import type { IndexSpec } from './catalogue.js';
import { fields } from './raw.js';
import { shorten } from '../shorten.js';

const SHOWN = 5;
/** Characters of all of them: a failure's message keeps what comes after them. */
const KEPT = 1_000;
const { EJSON } = BSON;

/** The error for an index that cannot become unique; `keys` says which values are not. */
export function duplicatesError(namespace: string, index: string, keys: string): PermanentError {
  return new PermanentError(
    errorTypes.cutoverRefused,
    `the index "${index}" of ${namespace} at the target cannot become unique, as it is at the ` +
      `source: there are duplicates (${shorten(keys, KEPT)}). Remove them from the target, or abort and start again`,
  );
}

/** Documents that have one value in common, as `collMod` reports them. */
export interface Violation {
  readonly ids?: readonly unknown[];
}

/**
 * Puts the violations that `collMod` reports, violations of `_id`s, into words: the values of the
 * index's fields and the `_id`s of the documents, of the first violations.
 */
export async function describeDuplicates(
  db: Db,
  collection: string,
  index: IndexSpec,
  violations: readonly Violation[],
): Promise<string> {
  const key = index.get('key');
  const names = key ? [...fields(key.bytes).keys()].filter((name) => name !== '_id') : [];
  const projection: Document = { _id: 0, ...Object.fromEntries(names.map((name) => [name, 1])) };
  const shown: string[] = [];
  for (const { ids = [] } of violations.slice(0, SHOWN)) {
    const filter: Document = { _id: { $eq: ids[0] } };
    const document = await db.collection(collection).findOne(filter, { projection });
    const found = shorten(EJSON.stringify(ids.slice(0, SHOWN)));
    shown.push(`${shorten(EJSON.stringify(document ?? {}))} in _id ${found}`);
  }
  const more = violations.length - shown.length;
  return `${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
