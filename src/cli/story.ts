import type { temporal } from '@temporalio/proto';
import { planFields } from '../cutover-plan.js';
import { groupTuneFields, migrateCollectionsInput } from '../group-options.js';
import { migrateCollectionInput } from '../options.js';
import { redact } from '../redact.js';
import { shorten } from '../shorten.js';
import { count, duration, secondsBetween } from './format.js';
import { tellCollections } from './story-group.js';
import { isoTime } from './view.js';
import { decode } from './workflow-list.js';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;
type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;
type Failure = temporal.api.failure.v1.IFailure;
type Payload = Readonly<Record<string, unknown>>;

/**
 * One thing that happened, in plain words; of a payload what is known to be harmless, and the reason that somebody
 * gave for those who read this.
 */
export interface Told {
  /** ISO 8601. */
  readonly at: string;
  /** The activity, the message, or `migration`. */
  readonly what: string;
  readonly text: string;
  readonly kind: 'workflow' | 'step' | 'message' | 'failure' | 'underway';
}

/** Fields of messages whose numbers and times are told. */
const PLAIN_FIELDS = Object.keys({ ...planFields, ...groupTuneFields });

/** Options of migrations that are told as they were given. */
const KNOWN_OPTIONS = [migrateCollectionInput, migrateCollectionsInput].flatMap(({ shape }) =>
  Object.keys(shape),
);
/** Messages that take a reason. */
const WITH_REASON = ['pause', 'resume', 'restore', 'restart', 'abort'];
/** Lists of names in messages. */
const NAMES = ['force', 'leave', 'namespaces'] as const;

/** Reasons of a refused cutover that are told; a group may have many. */
const SHOWN_REASONS = 5;

/** Steps that end sooner need no line for their beginning. */
const SHORT_SECONDS = 5;

interface Step {
  readonly id: string;
  readonly summary: string;
  readonly begunAt: string;
  attempt: number;
  lastFailure?: string | undefined;
}

/** Tells a workflow's history, the oldest first, and what is under way now. */
export function tellHistory(
  events: readonly HistoryEvent[],
  pending: readonly PendingActivity[] = [],
): Told[] {
  const steps = new Map<string, Step>();
  const told = events.flatMap((event) => tell(event, steps));
  const underway = pending.map((each): Told => {
    const { activityId, attempt, lastFailure, lastStartedTime, scheduledTime } = each;
    const again = (attempt ?? 1) > 1 ? `, attempt ${attempt}` : '';
    const why = lastFailure ? `; the attempt before: ${reasonOf(lastFailure)}` : '';
    return {
      at: isoTime(lastStartedTime) ?? isoTime(scheduledTime) ?? '',
      what: activityId ?? '',
      text: `under way${again}${why}`,
      kind: lastFailure ? 'failure' : 'underway',
    };
  });
  return [...withoutShort(told), ...underway];
}

/** Drops the beginning of steps that have ended at once. */
function withoutShort(told: readonly (Told & { readonly begun?: boolean })[]): Told[] {
  return told
    .filter(({ at, what, begun }, index) => {
      if (!begun) return true;
      const end = told.find((each, later) => later > index && each.what === what && !each.begun);
      return !end || secondsBetween(at, end.at) >= SHORT_SECONDS;
    })
    .map(({ at, what, text, kind }) => ({ at, what, text, kind }));
}

function tell(event: HistoryEvent, steps: Map<string, Step>): (Told & { begun?: boolean })[] {
  const at = isoTime(event.eventTime) ?? '';
  const say = (what: string, text: string, kind: Told['kind'] = 'workflow') => [
    { at, what, text: redact(text), kind },
  ];
  const scheduled = event.activityTaskScheduledEventAttributes;
  if (scheduled) {
    const id = scheduled.activityId ?? '';
    const summary = summaryOf(event);
    steps.set(String(event.eventId), { id, summary, begunAt: at, attempt: 1 });
    return [{ at, what: id, text: `begun: ${summary}`, kind: 'step', begun: true }];
  }
  const started = event.activityTaskStartedEventAttributes;
  if (started) {
    const step = steps.get(String(started.scheduledEventId));
    if (!step) return [];
    step.attempt = started.attempt ?? 1;
    step.lastFailure = started.lastFailure ? reasonOf(started.lastFailure) : undefined;
    return [];
  }
  return (
    tellStepEnd(event, steps, say) ??
    tellCollections(event, say, reasonOf) ??
    tellMessage(event, say) ??
    tellWorkflow(event, say) ??
    []
  );
}

type Say = (what: string, text: string, kind?: Told['kind']) => Told[];

function tellStepEnd(
  event: HistoryEvent,
  steps: ReadonlyMap<string, Step>,
  say: Say,
): Told[] | undefined {
  const completed = event.activityTaskCompletedEventAttributes;
  const failed = event.activityTaskFailedEventAttributes;
  const timedOut = event.activityTaskTimedOutEventAttributes;
  const canceled = event.activityTaskCanceledEventAttributes;
  const ended = completed ?? failed ?? timedOut ?? canceled;
  const step = ended && steps.get(String(ended.scheduledEventId));
  if (!step) return undefined;
  const { id, summary, begunAt, attempt, lastFailure } = step;
  const seconds = secondsBetween(begunAt, isoTime(event.eventTime) ?? begunAt);
  const took = duration(seconds);
  const retried =
    attempt > 1
      ? ` (attempt ${attempt}${lastFailure ? `; the one before: ${lastFailure}` : ''})`
      : '';
  if (completed) {
    const isCutover = id === 'cutover' || id === 'cutoverTogether';
    const outcome = isCutover ? outcomeOf(completed.result?.payloads?.[0]?.data) : undefined;
    return say(id, outcome ?? `done in ${took}${retried}: ${summary}`, 'step');
  }
  if (canceled) return say(id, `ended after ${took}${retried}`, 'step');
  const failure = (failed ?? timedOut)?.failure;
  return say(id, `failed after ${took}${retried}: ${reasonOf(failure)}`, 'failure');
}

/** What a cutover has answered: of its result only what is meant for people. */
function outcomeOf(data: Uint8Array | null | undefined): string | undefined {
  const outcome = decode(data) as
    | {
        done?: { openedAt?: string; downtimeMs?: number; collections?: number };
        refused?: readonly { code?: string; message?: string; namespace?: string }[];
      }
    | undefined;
  if (outcome?.done) {
    const { openedAt, downtimeMs, collections } = outcome.done;
    const many = collections === undefined ? '' : `${count(collections, 'collection')} `;
    return `done: ${many}open for applications since ${openedAt}, ${downtimeMs} ms after the fence`;
  }
  if (!outcome?.refused) return undefined;
  const reasons = outcome.refused.map(({ code, message, namespace }) => {
    const whose = namespace === undefined ? '' : `${namespace}: `;
    return `${whose}${message} (${code})`;
  });
  const more = reasons.length - SHOWN_REASONS;
  const shown = reasons.slice(0, SHOWN_REASONS).join('; ');
  return `refused: ${shown}${more > 0 ? ` and ${count(more, 'more reason')}` : ''}`;
}

function tellMessage(event: HistoryEvent, say: Say): Told[] | undefined {
  const signaled = event.workflowExecutionSignaledEventAttributes;
  if (signaled) {
    const { signalName, identity, input } = signaled;
    return tellSent('signal', signalName, input?.payloads?.[0]?.data, identity, say);
  }
  const request = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
  if (request) {
    const { name, args } = request.input ?? {};
    return tellSent('update', name, args?.payloads?.[0]?.data, request.meta?.identity, say);
  }
  const failure = event.workflowExecutionUpdateCompletedEventAttributes?.outcome?.failure;
  if (failure) return say('update', `answered with: ${reasonOf(failure)}`, 'message');
  return undefined;
}

function tellSent(
  way: string,
  name: string | null | undefined,
  data: Uint8Array | null | undefined,
  identity: string | null | undefined,
  say: Say,
): Told[] {
  const payload = (decode(data) ?? {}) as Payload;
  const why = WITH_REASON.includes(name ?? '') ? whyIn(payload) : '';
  const by = identity || 'somebody';
  return say(name ?? '', `${way}${harmlessIn(payload)}, sent by ${by}${why}`, 'message');
}

/** Redacted while it is whole: a part of a connection string might not be known for one. */
function whyIn({ reason }: Payload): string {
  if (typeof reason !== 'string' || reason.trim() === '') return '';
  return `: ${shorten(redact(reason.trim().replaceAll(/[\s\p{Cc}]+/gu, ' ')))}`;
}

function tellWorkflow(event: HistoryEvent, say: Say): Told[] | undefined {
  const started = event.workflowExecutionStartedEventAttributes;
  if (started) {
    const input = inputOf(started.input?.payloads?.[0]?.data);
    return say('migration', `started by ${started.identity || 'somebody'}${input}`);
  }
  const failed = event.workflowExecutionFailedEventAttributes;
  if (failed) return say('migration', `failed: ${reasonOf(failed.failure)}`, 'failure');
  const completed = event.workflowExecutionCompletedEventAttributes;
  if (completed) {
    const { phase, equal } = (decode(completed.result?.payloads?.[0]?.data) ?? {}) as {
      phase?: unknown;
      equal?: unknown;
    };
    const verdict = equal === undefined ? '' : equal ? ': equal' : ': not equal';
    return say('migration', `${phase === 'aborted' ? 'aborted' : 'completed'}${verdict}`);
  }
  const terminated = event.workflowExecutionTerminatedEventAttributes;
  if (terminated) {
    const { identity, reason } = terminated;
    return say(
      'migration',
      `terminated by ${identity || 'somebody'}${reason ? `: ${reason}` : ''}`,
      'failure',
    );
  }
  if (event.workflowExecutionCancelRequestedEventAttributes)
    return say('migration', "Temporal's cancellation was asked for", 'message');
  if (event.workflowExecutionCanceledEventAttributes) return say('migration', 'canceled');
  if (event.workflowExecutionTimedOutEventAttributes)
    return say('migration', 'timed out', 'failure');
  const task = event.workflowTaskFailedEventAttributes;
  if (task?.failure) {
    return say('worker', `could not go on and tries again: ${reasonOf(task.failure)}`, 'failure');
  }
  return undefined;
}

/** The failure at the bottom, whose words are the plainest. */
function reasonOf(failure: Failure | null | undefined): string {
  if (!failure) return 'no reason given';
  if (failure.cause?.message) return reasonOf(failure.cause);
  const type = failure.applicationFailureInfo?.type;
  return `${redact(failure.message || 'no reason given')}${type ? ` (${type})` : ''}`;
}

function summaryOf(event: HistoryEvent): string {
  const summary = decode(event.userMetadata?.summary?.data);
  return typeof summary === 'string'
    ? summary
    : (event.activityTaskScheduledEventAttributes?.activityType?.name ?? '');
}

/** Numbers, flags, `null`, and times: nothing that could be a secret. */
function isPlain(value: unknown): boolean {
  if (value === null || ['number', 'boolean'].includes(typeof value)) return true;
  return (
    typeof value === 'string' && !Number.isNaN(Date.parse(value)) && /^[\dTZ:.+-]+$/.test(value)
  );
}

/** Options of a migration, by the fields that its schema knows. */
function inputOf(data: Uint8Array | null | undefined): string {
  const input = decode(data);
  if (typeof input !== 'object' || input === null) return '';
  const given = Object.entries(input).filter(([name]) => KNOWN_OPTIONS.includes(name));
  return given.length === 0
    ? ''
    : `: ${given.map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ')}`;
}

function harmlessIn(payload: Payload): string {
  const names = NAMES.flatMap((name) => {
    const list = payload[name];
    return Array.isArray(list) && list.length > 0 ? [`${name} ${list.map(String).join(', ')}`] : [];
  });
  const flags = ['dropTarget', 'dryRun'].filter((name) => payload[name] === true);
  const values = PLAIN_FIELDS.flatMap((name) => {
    const value = payload[name];
    return isPlain(value) ? [`${name} ${String(value)}`] : [];
  });
  return [...names, ...flags, ...values].map((each) => ` with ${each}`).join('');
}
