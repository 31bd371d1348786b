import type { Migration } from '../migration.js';
import { isFinal } from './phases.js';
import type { MigrationState, MigrationStatus } from './status.js';

/**
 * A workflow cannot read the servers when it is asked for its status, and counters sent to it by
 * signals would fill its history. So its answers to queries carry this mark, and the worker fills in
 * what the servers say at that moment, on the answer's way out (see src/live-status.ts).
 */
export interface LiveMark {
  readonly $live: Pick<Migration, 'workflowId' | 'runId' | 'options'>;
  readonly state: MigrationState;
}

/** How an answer to `status` begins that the worker fills in. */
export const LIVE_STATUS_PREFIX = '{"$live":';
/** What encloses the mark in the current details. */
export const LIVE_DETAILS = { start: '<!--live:', end: '-->' } as const;

/** The status with the mark first, until nothing changes any more. */
export function liveStatus(
  identity: LiveMark['$live'],
  state: MigrationState,
  status: MigrationStatus,
): MigrationStatus {
  if (isFinal(state.phase)) return status;
  const { workflowId, runId, options } = identity;
  const mark: LiveMark = { $live: { workflowId, runId, options }, state };
  return { ...mark, ...status };
}

/** Markdown with the mark in a comment, until nothing changes any more. */
export function liveDetails(
  identity: LiveMark['$live'],
  state: MigrationState,
  markdown: string,
): string {
  if (isFinal(state.phase)) return markdown;
  const { workflowId, runId, options } = identity;
  const mark: LiveMark = { $live: { workflowId, runId, options }, state };
  // "--" would end a comment; within JSON it can only stand in a text.
  const json = JSON.stringify(mark).replaceAll('--', '-\\u002d');
  return `${LIVE_DETAILS.start}${json}${LIVE_DETAILS.end}${markdown}`;
}
