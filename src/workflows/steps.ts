import {
  ActivityCancellationType,
  type ActivityOptions,
  CancellationScope,
  proxyActivities,
  proxySinks,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';
import type { PulseSinks } from '../activities/pulse.js';

const { pulse } = proxySinks<PulseSinks>();

/**
 * Activities are waited for when they are cancelled: the default would let them write on. The longest rest
 * is short: what goes on for days counts all its crashes, and a worker that died has to be replaced soon.
 */
const shared = {
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  heartbeatTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s' },
} as const satisfies ActivityOptions;

/** Goes on until it is done or cancelled, however long that takes; retried for ever. */
const LONG = '365 days';

/** Temporal would else hand all partitions to the worker that has the workflow, however many others wait for work. */
const spread = { allowEagerDispatch: false } as const;

/**
 * Options of each step by name: how long one attempt may take, and what a person reads in the UI.
 * `%` in a summary stands for the detail given to `step`.
 */
const options = {
  preflight: {
    summary: 'Look at both sides; nothing is written',
    startToCloseTimeout: '10 minutes',
  },
  captureToken: {
    summary: 'Fix the position in the change stream',
    startToCloseTimeout: '10 minutes',
  },
  capture: {
    summary: 'Keep every change in the buffer until the cutover',
    startToCloseTimeout: LONG,
  },
  planCopy: { summary: 'Cut the collection into partitions', startToCloseTimeout: '1 hour' },
  dump: { summary: 'mongodump: partition %', startToCloseTimeout: LONG, ...spread },
  restore: { summary: 'mongorestore: partition %', startToCloseTimeout: LONG },
  copyPartition: {
    summary: 'Copy from server to server: partition %',
    startToCloseTimeout: LONG,
    ...spread,
  },
  discardCopy: {
    summary: 'Discard the copy, so that it begins anew; capture goes on',
    startToCloseTimeout: '1 hour',
  },
  buildIndexes: {
    summary: 'Build the indexes, not yet unique or expiring',
    startToCloseTimeout: LONG,
  },
  renameStaging: { summary: 'Give the copy its final name', startToCloseTimeout: '1 hour' },
  replay: { summary: 'Apply changes from the buffer until the cutover', startToCloseTimeout: LONG },
  followShape: {
    summary: 'Carry changes of indexes and options until the cutover',
    startToCloseTimeout: LONG,
  },
  catchUp: { summary: 'Wait until the replay has caught up', startToCloseTimeout: LONG },
  verify: { summary: 'Compare every document byte for byte', startToCloseTimeout: LONG },
  reverify: {
    summary: 'Compare what changes, and all again from time to time',
    startToCloseTimeout: LONG,
  },
  cutover: { summary: 'Fence, last changes, indexes into force', startToCloseTimeout: '6 hours' },
  letGo: {
    summary: 'Go on as before: the cutover of the group was given up',
    startToCloseTimeout: '1 hour',
  },
  tune: { summary: 'Change the limits of what runs', startToCloseTimeout: '1 minute' },
  untilLagIs: { summary: 'Wait for a small lag, then cut over', startToCloseTimeout: LONG },
  untilLagsAre: {
    summary: 'Wait for a small lag of all collections, then cut over',
    startToCloseTimeout: LONG,
  },
  untilProblemChanges: {
    summary: 'Tell the search attributes what is wrong',
    startToCloseTimeout: LONG,
  },
  dryRun: {
    summary: 'Look for what speaks against a cutover; nothing is written',
    startToCloseTimeout: '30s',
  },
  convertIndexes: {
    summary: 'Convert unique indexes while applications write',
    startToCloseTimeout: LONG,
  },
  countLateWrites: {
    summary: 'Look for writes after the fence',
    startToCloseTimeout: '10 minutes',
  },
  cleanUp: {
    summary: 'Remove buffer, control document and dump files',
    startToCloseTimeout: '1 hour',
  },
  inspect: {
    summary: 'Look at both sides and report; nothing is written',
    startToCloseTimeout: '10 minutes',
  },
  compareCollections: {
    summary: 'Compare two collections byte for byte; nothing is written',
    startToCloseTimeout: LONG,
  },
  resolveCollections: {
    summary: 'Find the collections and look at both sides; nothing is written',
    startToCloseTimeout: '1 hour',
  },
  watchCollections: {
    summary: 'Look for collections that appear at the source',
    startToCloseTimeout: LONG,
  },
  tellMembers: {
    summary: 'Tell the migrations of the collections (%)',
    startToCloseTimeout: '10 minutes',
  },
  dryRunTogether: {
    summary: 'Ask each collection what speaks against a cutover',
    startToCloseTimeout: '1 minute',
  },
  cutoverTogether: {
    summary: 'One fence for all collections, last changes, indexes into force',
    startToCloseTimeout: '6 hours',
  },
} as const satisfies Record<keyof Activities, ActivityOptions>;

/** More options for one call. */
export interface StepOptions {
  /** Detail in id and summary: the number of a partition. */
  readonly detail?: number;
  readonly overrides?: ActivityOptions;
}

/**
 * One step, ready to be called; its id and summary are what a person reads in the UI. When it is cancelled, the
 * worker that has the workflow lets its own activities hear of it soon.
 */
export function step<Name extends keyof Activities>(
  name: Name,
  { detail, overrides }: StepOptions = {},
): Activities[Name] {
  const { summary, ...own } = options[name];
  const activities = proxyActivities<Activities>({
    ...shared,
    ...own,
    activityId: detail === undefined ? name : `${name}-${detail}`,
    summary: summary.replace('%', String(detail ?? '')),
    ...overrides,
  });
  const call = (...args: unknown[]) => {
    hurryWhenCancelled(CancellationScope.current());
    return (activities[name] as (...given: unknown[]) => Promise<unknown>)(...args);
  };
  return call as Activities[Name];
}

/** Scopes that hurry already: each handler would be kept until its scope is cancelled. */
const hurrying = new WeakSet<CancellationScope>();

function hurryWhenCancelled(scope: CancellationScope): void {
  if (hurrying.has(scope)) return;
  hurrying.add(scope);
  scope.cancelRequested.catch(() => pulse.hurry());
}
