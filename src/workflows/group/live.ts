import type { Amount, Problem } from '../status.js';

/** What the servers and Temporal say of one collection at the moment of the query. */
export interface MemberLive {
  readonly lagSeconds?: number | undefined;
  readonly stalled: boolean;
  /** In the target so far, of the copy alone. */
  readonly copied: Amount;
  readonly eventsPerSecond: number;
  readonly changesPerSecond: number;
  /** Events that were captured, and changes that were applied, in all. */
  readonly events: number;
  readonly changes: number;
  /** Documents that were compared in the pass over all of them. */
  readonly compared: number;
  /** Documents that are known to differ. */
  readonly differences: number;
  readonly uncomparedSeconds?: number | undefined;
  /** Documents that the target does not take. */
  readonly refused: number;
  /** Indexes and options of the source that are not at the target yet. */
  readonly shape: readonly { readonly what: string; readonly problem?: string }[];
  readonly oplogHours?: number | undefined;
  /** Its documents are copied, and the indexes are built. */
  readonly indexing?: boolean;
  /** Nothing applies its changes although it follows: somebody has paused it. */
  readonly still?: boolean;
  readonly problem?: Problem;
}

/** What Temporal says of a group whose servers could not be asked. */
export interface GroupUnread {
  readonly error: string;
  /** Of its collections, by namespace. */
  readonly problems?: Readonly<Record<string, Problem>>;
  readonly problem?: Problem;
}

/** The same of all collections, by namespace. */
export interface GroupLive {
  readonly asOf: string;
  readonly members: Readonly<Record<string, MemberLive>>;
  readonly problem?: Problem;
}
