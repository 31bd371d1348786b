import {
  defineQuery,
  isCancellation,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Comparison, ComparisonReport } from '../comparison.js';
import { parseVerifyCollection } from '../options.js';
import { acceptInput, bareFailure, payloadOf } from './failure.js';
import { now } from './identity.js';
import { markDetails, markStatus, type VerifyMark } from './live.js';
import { step } from './steps.js';
import { renderVerifyDetails } from './verify-details.js';
import { buildVerifyStatus, type VerifyState, type VerifyStatus } from './verify-status.js';

const statusQuery = defineQuery<VerifyStatus>('status');

/**
 * Compares two collections, whoever filled them: every document byte for byte, indexes and options.
 * Writes nothing on either side. Query `status`; Temporal's cancellation ends it.
 * @param input see `verifyCollectionInput`.
 * @returns the report, also where the collections are not equal.
 */
export async function verifyCollection(...input: unknown[]): Promise<ComparisonReport> {
  const options = acceptInput(parseVerifyCollection(payloadOf(input)));
  const { workflowId, runId } = workflowInfo();
  const comparison: Comparison = { workflowId, runId, options };
  const state: VerifyState = {
    phase: 'comparing',
    startedAt: now(),
  };
  const mark = (): VerifyMark | undefined =>
    state.phase === 'comparing' ? { $live: { kind: 'verify', ...comparison }, state } : undefined;
  const status = () => buildVerifyStatus(state, comparison);
  const show = () => setCurrentDetails(markDetails(mark(), renderVerifyDetails(status())));
  setHandler(statusQuery, () => markStatus(mark(), status()), {
    description: 'How far the comparison is, and what it has found.',
  });
  show();
  try {
    const report = await step('compareCollections')(comparison);
    state.report = report;
    state.phase = 'completed';
    return report;
  } catch (error) {
    state.phase = isCancellation(error) ? 'aborted' : 'failed';
    const failure = bareFailure(error);
    if (state.phase === 'failed' && failure instanceof Error) state.failure = failure.message;
    throw failure;
  } finally {
    show();
  }
}
