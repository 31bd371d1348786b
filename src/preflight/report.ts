import type { MongoClient } from 'mongodb';
import type { CollectionType } from '../mongo/catalogue.js';
import type { FinalFeatures } from '../mongo/final-plan.js';
import type { MigrateCollectionOptions } from '../options.js';

/** One thing that preflight found; the message says what, where, and what to change. */
export interface Finding {
  /** For scripts: `targetExists`, `oplogShort`. */
  readonly code: string;
  readonly message: string;
}

/** A finding as people read it, with its code at the end: the documentation has more of it under that. */
export function describeFinding({ message, code }: Finding): string {
  return `${message} (${code})`;
}

/** What preflight needs. It only reads, at both sides. */
export interface PreflightContext {
  readonly source: MongoClient;
  readonly target: MongoClient;
  readonly options: MigrateCollectionOptions;
  /** The run that asks; what it left itself is no conflict. */
  readonly self: RunId;
  /** Whether a workflow run is still going on, by its ids; nothing when it is not known. */
  readonly isRunning: (workflowId: string, runId: string) => Promise<boolean | undefined>;
  /** The MongoDB Database Tools on this worker; `problem` says why they cannot be used. */
  readonly tools?: { readonly versions?: string; readonly problem?: string };
  /** Bytes that a dump may still write to a folder. */
  readonly freeBytes?: (folder: string) => Promise<number>;
  readonly dumpFolder: string;
  /** Activities that this worker runs at the same time. */
  readonly maxActivities?: number;
  readonly signal?: AbortSignal;
  /**
   * Time in ms that each side has to answer. With it, a side that cannot be reached or does not answer
   * is a finding; without it, it is an error, for the caller to try again.
   */
  readonly limitMs?: number;
}

/** A workflow run. */
export interface RunId {
  readonly workflowId: string;
  readonly runId: string;
}

/** How a deployment is made up. */
export type Topology = 'replicaSet' | 'sharded' | 'standalone';

/** What is known of a side, whichever it is. */
export interface SideReport {
  readonly version: string;
  /** Version by whose rules it runs (featureCompatibilityVersion); `version` where it may not be read. */
  readonly featureVersion: string;
  readonly topology: Topology;
  /** Seconds by which its clock is ahead of the worker's. */
  readonly clockSkewSeconds: number;
  /** Actions that a migration may need there, and whether the user has them. */
  readonly privileges: Readonly<Record<string, boolean>>;
}

/** What preflight found out about the source. Bytes are those of BSON documents, uncompressed. */
export interface SourceReport extends SideReport {
  readonly documents: number;
  readonly bytes: number;
  readonly averageBytes: number;
  /** Names of the indexes, that of `_id` too. */
  readonly indexes: readonly string[];
  /** Names of the collection's options: `capped`, `collation`, `validator`. */
  readonly options: readonly string[];
  /** Hours of change stream history; missing where no stream could be opened. */
  readonly oplogHours?: number;
  /** Whether the source holds more history than `oplogHours`. */
  readonly oplogAtLeast?: boolean;
}

/** What the target can do, by its version and its user's privileges. */
export interface TargetFeatures extends FinalFeatures {
  /** 5.3 and later: clustered collections. */
  readonly clustered: boolean;
  /** 6.0 and later: `changeStreamPreAndPostImages`. */
  readonly preImages: boolean;
}

/** What preflight found out about the target. */
export interface TargetReport extends SideReport {
  readonly features: TargetFeatures;
  /** Bytes free on its disk; missing where the user may not see that. */
  readonly freeBytes?: number;
  /** What has the final name there; missing where nothing has. */
  readonly existing?: { readonly type: CollectionType; readonly documents: number };
  /** A run that has ended and left state for this namespace, which the migration cleans up. */
  readonly leftover?: RunId;
}

/** Room for dump files on the worker that looked, in bytes. */
export interface DiskReport {
  readonly folder: string;
  readonly neededBytes: number;
  readonly freeBytes: number;
}

/** Everything that speaks against a migration, at once, and what it is planned by. */
export interface PreflightReport {
  /** Empty when the migration may begin. */
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** Missing where the source could not be looked at; `errors` says why. */
  readonly source?: SourceReport;
  /** Missing where the target could not be looked at; `errors` says why. */
  readonly target?: TargetReport;
  /** With `copy: "dump"`. */
  readonly disk?: DiskReport;
  /** With `copy: "dump"`: versions of the tools of the worker that looked, in words; missing where it has none. */
  readonly tools?: string;
  /** Hours of copying at 30 MB/s. */
  readonly estimatedCopyHours: number;
  /** Whether the copy has to be one partition: capped or clustered. */
  readonly singlePartition: boolean;
  /** Whether documents have to be copied in their natural order: capped. */
  readonly natural: boolean;
}

/** Collects findings. */
export class Findings {
  readonly errors: Finding[] = [];
  readonly warnings: Finding[] = [];

  error(code: string, message: string): void {
    this.errors.push({ code, message });
  }

  warn(code: string, message: string): void {
    this.warnings.push({ code, message });
  }
}
