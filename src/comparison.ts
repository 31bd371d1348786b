import type { VerifyCollectionOptions } from './options.js';

/** Identity and options of one run of `verifyCollection`, as its activity gets them. */
export interface Comparison {
  readonly workflowId: string;
  readonly runId: string;
  readonly options: VerifyCollectionOptions;
}

/** Documents and the bytes of their BSON that were read on one side. */
export interface ReadAmount {
  readonly documents: number;
  readonly bytes: number;
}

/** One document that is not the same on both sides, for people. */
export interface ShownDifference {
  /** The `_id` as Extended JSON; 200 characters of it at most. */
  readonly id: string;
  /** `missing`: not at the target. `extra`: not at the source. */
  readonly kind: 'differs' | 'missing' | 'extra';
  /** Path of the first field that differs: `items.3.price`. */
  readonly field?: string;
  /** In what way it differs: `type, int at the source and double at the target`. */
  readonly what?: string;
}

/** What a comparison has read and found. */
export interface Tally {
  readonly source: ReadAmount;
  readonly target: ReadAmount;
  readonly differing: number;
  readonly missing: number;
  readonly extra: number;
  /** Documents that changed at the source each time they were looked at: neither equal nor different. */
  readonly unsettled: number;
  /** The first 20 differences. */
  readonly first: readonly ShownDifference[];
}

/** An index or a collection option that is not the same on both sides, as text for people. */
export interface ShapeDifference {
  /** Its name. */
  readonly name: string;
  readonly source: string;
  readonly target: string;
}

/** The result of `verifyCollection`. */
export interface ComparisonReport extends Tally {
  /** Whether nothing at all differs: documents, indexes and options; nothing is unsettled either. */
  readonly equal: boolean;
  readonly indexDifferences: readonly ShapeDifference[];
  readonly optionDifferences: readonly ShapeDifference[];
}

/** How far a comparison is, as its heartbeat tells it. */
export interface ComparisonProgress extends Omit<Tally, 'first'> {
  readonly doing: string;
  /** Documents at the source when this attempt began, by the server's count. */
  readonly total: number | null;
  readonly documentsPerSecond: number;
  /** Documents that differed at first and are looked at again. */
  readonly open: number;
}
