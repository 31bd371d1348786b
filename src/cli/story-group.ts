import type { temporal } from '@temporalio/proto';
import { groupMessages } from '../group.js';
import { partsOf } from './find-migration.js';
import type { Told } from './story.js';
import { decode } from './workflow-list.js';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;
type Execution = temporal.api.common.v1.IWorkflowExecution | null | undefined;
type Failure = temporal.api.failure.v1.IFailure | null | undefined;
type Say = (what: string, text: string, kind?: Told['kind']) => Told[];

/** Phases that collections report, in words. The copy itself waits for its turn. */
const REACHED: Readonly<Record<string, string>> = {
  copying: 'its changes are captured',
  waiting: 'is dumped and waits for restore',
  replaying: 'is copied; changes are applied and it is compared',
};

/** What the history of a group says of its collections; nothing where an event is of something else. */
export function tellCollections(
  event: HistoryEvent,
  say: Say,
  reasonOf: (failure: Failure) => string,
): Told[] | undefined {
  return tellChild(event, say, reasonOf) ?? tellLetter(event, say);
}

function tellChild(
  event: HistoryEvent,
  say: Say,
  reasonOf: (failure: Failure) => string,
): Told[] | undefined {
  const started = event.childWorkflowExecutionStartedEventAttributes;
  if (started) return say(nameIn(started.workflowExecution), 'its migration has begun');
  const refused = event.startChildWorkflowExecutionFailedEventAttributes;
  if (refused) {
    const text = 'its migration was not started: one of this collection is running already';
    return say(nameIn(refused), text, 'failure');
  }
  const completed = event.childWorkflowExecutionCompletedEventAttributes;
  if (completed) {
    const { phase, openedAt } = (decode(completed.result?.payloads?.[0]?.data) ?? {}) as {
      readonly phase?: unknown;
      readonly openedAt?: unknown;
    };
    const ended = phase === 'aborted' ? 'was aborted' : 'is completed';
    const opened = typeof openedAt === 'string' ? `, open since ${openedAt}` : '';
    return say(nameIn(completed.workflowExecution), `${ended}${opened}`);
  }
  const failed = event.childWorkflowExecutionFailedEventAttributes;
  if (failed) {
    const text = `its migration has failed: ${reasonOf(failed.failure)}`;
    return say(nameIn(failed.workflowExecution), text, 'failure');
  }
  const canceled = event.childWorkflowExecutionCanceledEventAttributes;
  if (canceled) return say(nameIn(canceled.workflowExecution), 'its migration was canceled');
  const terminated = event.childWorkflowExecutionTerminatedEventAttributes;
  if (terminated) {
    return say(nameIn(terminated.workflowExecution), 'its migration was terminated', 'failure');
  }
  const timedOut = event.childWorkflowExecutionTimedOutEventAttributes;
  if (timedOut) {
    return say(nameIn(timedOut.workflowExecution), 'its migration has timed out', 'failure');
  }
  return undefined;
}

/** What a group and its collections tell each other. */
function tellLetter(event: HistoryEvent, say: Say): Told[] | undefined {
  const sent = event.signalExternalWorkflowExecutionInitiatedEventAttributes;
  if (sent?.signalName === groupMessages.turn) {
    return say(nameIn(sent.workflowExecution), 'it is its turn to be copied');
  }
  if (sent?.signalName === groupMessages.report) return [];
  const { signalName, input } = event.workflowExecutionSignaledEventAttributes ?? {};
  if (signalName === groupMessages.report) {
    const { namespace, phase } = (decode(input?.payloads?.[0]?.data) ?? {}) as {
      readonly namespace?: unknown;
      readonly phase?: unknown;
    };
    return say(String(namespace), REACHED[String(phase)] ?? `is ${String(phase)}`);
  }
  if (signalName === groupMessages.turn) return say('group', 'it is its turn to be copied');
  if (signalName === groupMessages.outcome) return say('group', 'its cutover has ended');
  const asked = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.name;
  if (asked === groupMessages.cutover) return say('group', 'asks it to stand by for its cutover');
  return undefined;
}

/** The collection that a workflow migrates, else the workflow's id. */
function nameIn(execution: Execution): string {
  const id = execution?.workflowId ?? '';
  return partsOf(id)?.namespace ?? id;
}
