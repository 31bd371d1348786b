import type { MongoClient } from 'mongodb';
import { type CatalogueCompared, collectionNames, compareCatalogues } from './catalogue.js';
import { compareDocuments, type DocumentsCompared } from './equality.js';
import { COLLECTION, DATABASE } from './orders.js';

/** What the comparison of both sides found. */
export interface Proof {
  readonly documents: DocumentsCompared;
  readonly catalogue: CatalogueCompared;
  /** Collections at the target that are not at the source. */
  readonly leftovers: readonly string[];
  readonly isEqual: boolean;
}

/** How the `_id`s begin that the application makes on the target. */
const AFTER = 'after-cutover-';

/** The `_id` of a document that the application makes on the target. */
export function idAfterCutover(index: number): string {
  return `${AFTER}${index}`;
}

/**
 * Compares both sides: every document, byte for byte, indexes, options, and what else is in the target's database. Nothing
 * writes to the source any more. On the target the application goes on, but only with documents of its own, which are left
 * out: all that existed at the cutover is still as it was then.
 *
 * @param onProgress told how many documents are compared
 * @throws MongoError when one side cannot be read
 */
export async function prove(
  source: MongoClient,
  target: MongoClient,
  onProgress: (documents: number) => void,
): Promise<Proof> {
  const [here, there] = [source.db(DATABASE), target.db(DATABASE)];
  const [one, other] = [here.collection(COLLECTION), there.collection(COLLECTION)];
  const filter = { _id: { $not: new RegExp(`^${AFTER}`) } };
  const documents = await compareDocuments(one, other, { filter, onProgress });
  const catalogue = await compareCatalogues(one, other);
  const known = await collectionNames(here);
  const leftovers = (await collectionNames(there)).filter((name) => !known.includes(name));
  const isEqual =
    documents.different === 0 &&
    documents.source.documents === documents.target.documents &&
    documents.source.sha256 === documents.target.sha256 &&
    catalogue.differences.length === 0 &&
    leftovers.length === 0;
  return { documents, catalogue, leftovers, isEqual };
}
