import type { temporal } from '@temporalio/proto';
import { describeKnown } from './find-migration.js';
import type { Session } from './session.js';
import { tellHistory, type Told } from './story.js';

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
  #events: readonly temporal.api.history.v1.IHistoryEvent[] = [];
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
      const handle = this.#session.client.workflow.getHandle(this.#workflowId, this.#runId);
      const { events } = await this.#session.call(() => handle.fetchHistory());
      this.#events = events ?? [];
      this.#length = historyLength;
    }
    const isOver = closeTime !== undefined;
    // Attempts of what is under way are not in the history.
    const pending = isOver ? [] : (raw.pendingActivities ?? []);
    return { told: tellHistory(this.#events, pending), isOver };
  }
}
