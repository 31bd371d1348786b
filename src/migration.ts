import type { MigrateCollectionOptions } from './options.js';

/** What preflight found out about the collection and its two servers, and everyone later needs. */
export interface Traits {
  /** Documents and bytes of the source collection when the migration started. */
  readonly documents: number;
  readonly bytes: number;
  /** The collection is capped: natural order is kept, deletes by age are not repeated. */
  readonly capped: boolean;
  /** The collection is clustered, on both sides; missing in runs that began before it mattered. */
  readonly clustered?: boolean;
  /** The worker writes each change itself; see `FencedTarget.exactOnly`. */
  readonly exactOnly: boolean;
  /** The target knows `changeStreamPreAndPostImages`. */
  readonly preImages: boolean;
  /** What the target can do to an index that is there. */
  readonly features: {
    readonly collMod: boolean;
    readonly prepareUnique: boolean;
    readonly ttlCollMod: boolean;
  };
  readonly oplogHours?: number;
  /** UUID of the source collection, in hexadecimal: one of another UUID is another collection. */
  readonly sourceUuid?: string;
  readonly warnings: readonly string[];
  /** Part of the name of this run's staging collections; missing in runs that began before there was one. */
  readonly stagingTag?: string;
  /** Temporal knows the search attributes of migrations. */
  readonly searchable?: boolean;
}

/** Identity and options of one migration, as every activity gets them. */
export interface Migration {
  readonly workflowId: string;
  readonly runId: string;
  readonly options: MigrateCollectionOptions;
  readonly traits: Traits;
  /** Whether the step `followShape` runs; it does not in workflows that began before there was one. */
  readonly followsShape?: boolean;
  /** Which copy it is: missing for the first, then counted from 1. Capture goes on over all of them. */
  readonly round?: number;
}

/** How far a build of indexes is. */
export interface IndexProgress {
  /** What the server does, in its own words; missing where the user may not see it. */
  readonly message?: string;
  /** Of the step it is at: keys or documents, as `message` says. */
  readonly done?: number;
  readonly total?: number;
  readonly elapsedSeconds: number;
}

/** The verification's report, as status and result show it. */
export interface VerificationReport {
  readonly documents: number;
  readonly bytes: number;
  /** Documents that are not the same though everything up to the look is applied, by kind. */
  readonly differing: number;
  readonly missing: number;
  readonly extra: number;
  /** The first 20 differences. */
  readonly first: readonly {
    readonly id: string;
    readonly kind: string;
    readonly field?: string;
    /** In what way it differs. */
    readonly what?: string;
  }[];
}

/** How many differences there are, and the first of them. */
export type DifferenceSummary = Pick<
  VerificationReport,
  'differing' | 'missing' | 'extra' | 'first'
>;

/** Documents of the source that the target does not take. */
export interface RefusedDocuments {
  readonly count: number;
  /** The first 20: `_id`, and what the target's server says. */
  readonly first: readonly { readonly id: string; readonly why: string }[];
}

/** Indexes and options of both sides, compared after the cutover. */
export interface CatalogueReport {
  /** How many the source has. */
  readonly indexes: number;
  readonly options: number;
  /** In words; empty when both sides are alike. */
  readonly differences: readonly string[];
}

/** Why a cutover would be refused now. `code` is what `force` takes. */
export interface Blocker {
  readonly code: string;
  readonly message: string;
}

/** Result of a cutover that was done. */
export interface CutoverReport {
  /** Cluster time of the source up to which everything is at the target, `seconds.increment`. */
  readonly fence: string;
  /** When the fence was taken, and when the target was ready for applications (ISO 8601). */
  readonly fencedAt: string;
  readonly openedAt: string;
  /** Milliseconds between the two. */
  readonly downtimeMs: number;
  /** Events read after the fence was taken, and changes applied. */
  readonly drainedEvents: number;
  readonly drainedChanges: number;
  /** Documents compared after the fence was taken. */
  readonly rechecked: number;
  /**
   * When the last comparison of all documents had begun (ISO 8601): what somebody else has written to the target since
   * may not have been seen. Missing without a comparison, and in older reports.
   */
  readonly lastPassAt?: string;
  /** What was found then: empty, but for a cutover that was forced. */
  readonly differences?: DifferenceSummary;
  /** Documents that the target does not take: only of a cutover that was forced. */
  readonly refused?: RefusedDocuments;
  /** Over the whole migration: events read, changes applied, documents and bytes copied. */
  readonly captured: number;
  readonly applied: number;
  readonly copied: { readonly documents: number; readonly bytes: number };
  /** Changes kept in the buffer and their bytes. Missing in older reports. */
  readonly buffered?: { readonly changes: number; readonly bytes: number };
}

/** Answer of a dry run of a cutover. */
export interface DryRun {
  readonly mayCutOver: boolean;
  /** Why it would be refused now. */
  readonly blockers: readonly Blocker[];
}

export type CutoverOutcome =
  | {
      readonly refused: readonly Blocker[];
      /** Of a group: an attempt may hold the migration still, and nobody has let it go. */
      readonly mayBeHeld?: true;
    }
  | { readonly done: CutoverReport };

/** Writes that reached the source after the fence: not at the target. */
export interface LateWrites {
  readonly count: number;
  /** `_id`s of the first 20. */
  readonly first: readonly string[];
}
