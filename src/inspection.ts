import type { FoundCollections } from './group.js';
import type { PreflightReport } from './preflight/report.js';

/** The answer of the workflow `preflight`: everything at once, and nothing was written. */
export interface Inspection extends PreflightReport {
  /** Whether `migrateCollection` would begin with this input now: `errors` is empty. */
  readonly mayStart: boolean;
  /** Numbers of indexes, that of `_id` too, and of collection options at the source. */
  readonly found: { readonly indexes: number; readonly options: number };
}

/** The same for many collections. */
export interface GroupInspection extends FoundCollections {
  /** Whether `migrateCollections` would begin with this input now: `errors` is empty. */
  readonly mayStart: boolean;
  /** All that speaks against it, in words; the collections are listed where there is nothing. */
  readonly errors: readonly string[];
}
