import type { temporal } from '@temporalio/proto';
import { describeKnown } from './find-migration.js';
import type { Session } from './session.js';
import { tellHistory, type Told } from './story.js';

type HistoryEvents = readonly temporal.api.history.v1.IHistoryEvent[];

/** What has happened to a workflow, and whether it is over. */
export interface Story {
  readonly told: readonly Told[];
  readonly isOver: boolean;
}

/** The history of one workflow, read again and again: it may be long, and is fetched when it has become longer. */
export class History {
  readonly #session: Session;
  readonly #workflowId: string;
  readonly #runId: string;
  #events: HistoryEvents = [];
  #length = 0;

  constructor(session: Session, workflowId: string, runId: string) {
    this.#session = session;
    this.#workflowId = workflowId;
    this.#runId = runId;
  }

  /** @throws CliError notFound where Temporal keeps it no longer */
  async read(): Promise<Story> {
    const { historyLength, closeTime, raw } = await describeKnown(
      this.#session,
      this.#workflowId,
      this.#runId,
    );
    if (historyLength !== this.#length) {
      this.#events = await this.#fetch();
      this.#length = historyLength;
    }
    const isOver = closeTime !== undefined;
    // Attempts of what is under way are not in the history.
    const pending = isOver ? [] : (raw.pendingActivities ?? []);
    return { told: tellHistory(this.#events, pending), isOver };
  }

  /** Page by page: each has its own time, and of a large group all of them may have some megabytes. */
  async #fetch(): Promise<HistoryEvents> {
    const { connection, namespace, call } = this.#session;
    const execution = { workflowId: this.#workflowId, runId: this.#runId };
    const events: HistoryEvents[number][] = [];
    let nextPageToken: Uint8Array | undefined;
    do {
      const request = { namespace, execution, ...(nextPageToken && { nextPageToken }) };
      const page = await call(() =>
        connection.workflowService.getWorkflowExecutionHistory(request),
      );
      events.push(...(page.history?.events ?? []));
      nextPageToken = page.nextPageToken;
    } while (nextPageToken && nextPageToken.length > 0);
    return events;
  }
}
