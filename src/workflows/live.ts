import type { Comparison } from '../comparison.js';
import type { Group } from '../group.js';
import type { Migration } from '../migration.js';
import type { GroupState } from './group/state.js';
import { isFinal } from './phases.js';
import type { MigrationState, MigrationStatus } from './status.js';
import type { VerifyState } from './verify-status.js';

/**
 * A workflow cannot read the servers when it is asked for its status, and counters sent to it by
 * signals would fill its history. So its answers to queries carry this mark, and the worker fills in
 * what the servers say at that moment, on the answer's way out (see src/live-status.ts).
 */
export interface LiveMark {
  readonly $live: Pick<Migration, 'workflowId' | 'runId' | 'options' | 'round'>;
  readonly state: MigrationState;
}

/** How an answer to `status` begins that the worker fills in. */
export const LIVE_STATUS_PREFIX = '{"$live":';
/** What encloses the mark in the current details. */
export const LIVE_DETAILS = { start: '<!--live:', end: '-->' } as const;

/** The same for a comparison; what the worker fills in is in the heartbeat of its activity. */
export interface VerifyMark {
  readonly $live: Comparison & { readonly kind: 'verify' };
  readonly state: VerifyState;
}

/** The same for a group: what the worker fills in is what the servers say of its collections. */
export interface GroupMark {
  readonly $live: Group & { readonly kind: 'group' };
  readonly state: GroupState;
}

/** Any of the marks. */
export type Mark = LiveMark | VerifyMark | GroupMark;

/** The status with the mark first; without one as it is. */
export function markStatus<Status extends object>(mark: Mark | undefined, status: Status): Status {
  return mark ? { ...mark, ...status } : status;
}

/** Markdown with the mark in a comment; without one as it is. */
export function markDetails(mark: Mark | undefined, markdown: string): string {
  if (!mark) return markdown;
  // "--" would end a comment; within JSON it can only stand in a text.
  const json = JSON.stringify(mark).replaceAll('--', '-\\u002d');
  return `${LIVE_DETAILS.start}${json}${LIVE_DETAILS.end}${markdown}`;
}

/** A migration's status with the mark, until nothing changes any more. */
export function liveStatus(
  identity: LiveMark['$live'],
  state: MigrationState,
  status: MigrationStatus,
): MigrationStatus {
  return markStatus(markOf(identity, state), status);
}

/** A migration's page with the mark, until nothing changes any more. */
export function liveDetails(
  identity: LiveMark['$live'],
  state: MigrationState,
  markdown: string,
): string {
  return markDetails(markOf(identity, state), markdown);
}

function markOf(
  { workflowId, runId, options }: LiveMark['$live'],
  state: MigrationState,
): LiveMark | undefined {
  if (isFinal(state.phase)) return undefined;
  const round = state.round === undefined ? {} : { round: state.round };
  return { $live: { workflowId, runId, options, ...round }, state };
}
