import type { PreflightReport } from './preflight/report.js';

/** The answer of the workflow `preflight`: everything at once, and nothing was written. */
export interface Inspection extends PreflightReport {
  /** Whether `migrateCollection` would begin with this input now: `errors` is empty. */
  readonly mayStart: boolean;
  /** Numbers of indexes, that of `_id` too, and of collection options at the source. */
  readonly found: { readonly indexes: number; readonly options: number };
}
