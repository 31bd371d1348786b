import type { CollectionNames, FoundCollection, FoundCollections } from './group.js';
import type { PreflightReport } from './preflight/report.js';

/** The answer of the workflow `preflight`: everything at once, and nothing was written. */
export interface Inspection extends PreflightReport {
  /** Whether `migrateCollection` would begin with this input now: `errors` is empty. */
  readonly mayStart: boolean;
  /** Numbers of indexes, that of `_id` too, and of collection options at the source. */
  readonly found: { readonly indexes: number; readonly options: number };
}

/** The same for many collections. */
export interface GroupInspection extends Omit<FoundCollections, 'collections' | 'refusal'> {
  /** Whether `migrateCollections` would begin with this input now: `errors` is empty. */
  readonly mayStart: boolean;
  /** All that speaks against it, in words, as far as it has room. */
  readonly errors: readonly string[];
  /** How many more there are. */
  readonly errorsNotShown: number;
  /** What the patterns stand for, without its size where that could not be read. */
  readonly collections: readonly (CollectionNames & Partial<FoundCollection>)[];
}
