import type { WorkflowHandle } from '@temporalio/client';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** One event of a workflow's history. */
export type HistoryEvent = NonNullable<History['events']>[number];

/** The events of a workflow so far. */
export async function historyOf(
  handle: Pick<WorkflowHandle, 'fetchHistory'>,
): Promise<HistoryEvent[]> {
  return (await handle.fetchHistory()).events ?? [];
}

/** Number of events with these attributes. */
export function countEvents(
  events: readonly HistoryEvent[],
  attributes: keyof HistoryEvent,
): number {
  return events.filter((event) => event[attributes]).length;
}

/** Ids of all events but those of workflow tasks, which a question may cause as well. */
export function lasting(events: readonly HistoryEvent[]): string[] {
  return events
    .filter(
      (event) =>
        !event.workflowTaskScheduledEventAttributes &&
        !event.workflowTaskStartedEventAttributes &&
        !event.workflowTaskCompletedEventAttributes,
    )
    .map(({ eventId }) => String(eventId));
}

/** Position of the first event with these attributes. @throws when there is none. */
export function positionOf(
  events: readonly HistoryEvent[],
  attributes: keyof HistoryEvent,
): number {
  const position = events.findIndex((event) => event[attributes]);
  if (position < 0) throw new Error(`the history has no ${attributes}`);
  return position;
}

/** When the activity of an id has completed. @throws when it has not. */
export function completedAt(events: readonly HistoryEvent[], activityId: string): Date {
  const scheduled = events.find(
    (event) => event.activityTaskScheduledEventAttributes?.activityId === activityId,
  );
  const completed = events.find((event) => {
    const { scheduledEventId } = event.activityTaskCompletedEventAttributes ?? {};
    return scheduledEventId && String(scheduledEventId) === String(scheduled?.eventId);
  });
  const { seconds, nanos } = completed?.eventTime ?? {};
  if (!seconds) throw new Error(`the history has no end of the activity ${activityId}`);
  return new Date(Number(seconds) * 1000 + (nanos ?? 0) / 1e6);
}

/** Id, type, and the summary that people see, of each activity in a history. */
export function activitiesOf(
  events: readonly HistoryEvent[],
): { id: string; type: string; summary: unknown }[] {
  return events.flatMap(({ activityTaskScheduledEventAttributes: scheduled, userMetadata }) => {
    if (!scheduled) return [];
    const data = userMetadata?.summary?.data;
    const summary: unknown = data ? JSON.parse(Buffer.from(data).toString()) : undefined;
    return [{ id: scheduled.activityId ?? '', type: scheduled.activityType?.name ?? '', summary }];
  });
}
