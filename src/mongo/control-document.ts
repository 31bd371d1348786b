import type { Document, Timestamp, UUID } from 'mongodb';
import type { RefusedDocuments } from '../migration.js';
import type { Limits } from '../tuning.js';
import type { LeftOut } from './create-like.js';
import type { ResumeToken } from './token.js';

/** Marks documents of `cdc` as ours. */
export const CONTROL_KIND = 'changestream-migration';

/** The activities that go on for as long as the migration runs. */
export type Role = 'capture' | 'replay' | 'verify' | 'shape';

/** Where capture stands. Rates are events per second over the last seconds. */
export interface CaptureState {
  readonly epoch: number;
  /** From here a new attempt goes on. All events up to here are in the buffer, by majority. */
  readonly through?: ResumeToken;
  /** Cluster time of `through`. */
  readonly time?: Timestamp;
  /** When it last moved or last heard from the source that nothing is new. */
  readonly at?: Date;
  /** Wall-clock time up to which the source's changes are in the buffer, and have been read. */
  readonly asOf?: Date;
  readonly readAsOf?: Date;
  /** Events read from the stream. */
  readonly events: number;
  /** Of them, those kept: the last per document and batch. */
  readonly buffered: number;
  /** Bytes written to the buffer. */
  readonly bytes: number;
  readonly rate: number;
  /** Hours of change stream history that the source still holds. */
  readonly oplogHours?: number;
  /** Since when the stream answers without moving although the source does. */
  readonly standsSince?: Date | null;
  /** Bytes of all changes in the buffer, as last measured and counted on. */
  readonly bufferBytes?: number;
  /** Bytes by which the buffer has grown per second, over the last minute; less than 0 where it shrinks. */
  readonly growth?: number;
  /** Since when it reads no more, because the buffer has reached its limit. */
  readonly fullSince?: Date | null;
}

/** Where replay stands. */
export interface ReplayState {
  readonly epoch: number;
  /** All bundles that end with this token's `_data` or before are in the target, by majority. */
  readonly through?: string;
  /** Of a copy after the first: changes up to here are older than it, and have left the buffer. */
  readonly from?: string;
  readonly time?: Timestamp;
  readonly at?: Date;
  /** Wall-clock time up to which the source's changes are applied. */
  readonly asOf?: Date;
  /** Time of the first change that was applied after all before it had been compared. */
  readonly uncomparedFrom?: Date;
  /** Buffered events applied; those that a lost attempt of the capture has left there, too. */
  readonly events: number;
  /** What the capture had counted when all of that was applied, and `events` then: as long as the former is the same, all is. */
  readonly drained?: { readonly captured: number; readonly events: number };
  readonly rate: number;
  /** Server session of the attempt that has the epoch, so that a successor can end it. */
  readonly session?: Document;
}

/** Where the comparison of changed documents stands. */
export interface VerifyState {
  readonly epoch: number;
  /** Every document changed up to this token's `_data` was compared after its change was applied. */
  readonly through?: string;
  /** Wall-clock time up to which that is so. */
  readonly asOf?: Date;
  /** The replay's `events` when all that was applied was compared: as long as these are the same, it is. */
  readonly events?: number;
  readonly at?: Date;
  /** The comparison of all documents that is under way. */
  readonly pass?: Pass | null;
  /** When the last one that came to its end had begun. */
  readonly wholeAt?: Date;
  /** When the next one is due. */
  readonly nextAt?: Date;
}

/** A comparison of all documents: when it began, the partition that comes next, and what those before it took. */
export interface Pass {
  readonly begunAt: Date;
  readonly partition: number;
  readonly spentMs: number;
}

/** Something in which the target's indexes or options differ from the source's. */
export interface ShapeDifference {
  /** `index "total_1"`, `option "size"`. */
  readonly what: string;
  /** Why the target does not take it, where it has been tried. */
  readonly problem?: string;
}

/** Where the carrying of indexes and options stands. */
export interface ShapeState {
  readonly epoch: number;
  readonly at?: Date;
  /** UUID of the source collection; one of another UUID is another collection. */
  readonly sourceUuid?: UUID;
  /** What is not at the target yet. */
  readonly left?: readonly ShapeDifference[];
  /**
   * A statement that takes something away at the target, from before it is sent until it is known
   * to have ended. No cutover begins meanwhile: it could come after what the cutover does.
   */
  readonly change?: { readonly what: string; readonly at: Date } | null;
}

/** The control document: the whole durable state of one migration, in the target's `cdc`. */
export interface ControlDocument {
  /** Name of the target collection. */
  readonly _id: string;
  readonly kind: typeof CONTROL_KIND;
  readonly workflowId: string;
  readonly runId: string;
  readonly source: string;
  readonly namespace: string;
  readonly startedAt: Date;
  readonly startToken?: ResumeToken;
  readonly bufferUuid?: UUID;
  /** Which copy it is; missing for the first. */
  readonly round?: number;
  readonly stagingUuid?: UUID;
  /** See `Traits.stagingTag`. */
  readonly stagingTag?: string;
  /** Options of the source that the target does not take; missing as long as none is known. */
  readonly leftOut?: readonly LeftOut[];
  /** Collection of the copy before this one, which is to be dropped. */
  readonly discarded?: UUID | null;
  /** Set once the staging collection has its final name. */
  readonly renamed?: boolean;
  /** Set once the target has caught up and, unless told not to, every document has been compared. */
  readonly caughtUp?: boolean;
  /** While the cutover holds the migration, all roles stand by. */
  readonly holder?: 'cutover';
  /** When the attempt of a cutover that has held it last was scheduled; no earlier one may hold it any more. */
  readonly heldAt?: Date;
  /** When the last attempt of the cutover was scheduled that was given up: no earlier one holds any more. */
  readonly barredAt?: Date;
  /** The source's cluster time up to which a cutover has brought everything over. */
  readonly fence?: Timestamp;
  /** Indexes that the cutover has prepared, to be made unique while applications write. */
  readonly prepared?: readonly string[];
  /** Indexes beside them of the same key, which are built then. */
  readonly unbuilt?: readonly string[];
  /** What was tuned last; missing as long as nothing was. */
  readonly limits?: Limits;
  /** When that attempt of `tune` was scheduled. */
  readonly limitsAt?: Date;
  readonly capture: CaptureState;
  readonly replay: ReplayState;
  /** Missing until the comparison begins. */
  readonly verify?: VerifyState;
  /** Missing until the step `followShape` has begun. */
  readonly shape?: ShapeState;
  /** Missing as long as there was none. */
  readonly refused?: RefusedDocuments;
}
