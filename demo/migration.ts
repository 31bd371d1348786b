import { Client, Connection, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import type { CutoverReport } from '../src/migration.js';
import type { MigrationStatus } from '../src/workflows/status.js';

/** Names by which anyone starts a migration; they are the product's contract. */
export const WORKFLOW_TYPE = 'migrateCollection';
export const TASK_QUEUE = 'changestream-migration';
export const WORKFLOW_ID = 'migrate:source:shop.orders';

/** The input of the demo's migration. */
export interface MigrationInput {
  readonly source: string;
  readonly target: string;
  readonly namespace: string;
  readonly copy?: 'direct';
}

/** What the demo's migration is started with; what is left out is the default. */
export function inputOf(copy: 'dump' | 'direct'): MigrationInput {
  const input = { source: 'source', target: 'target', namespace: 'shop.orders' };
  return copy === 'dump' ? input : { ...input, copy };
}

type MigrateCollection = (input: MigrationInput) => Promise<MigrationStatus>;

/** A migration, reached as anyone reaches it: through Temporal. */
export class Migration {
  readonly #handle: WorkflowHandle<MigrateCollection>;

  private constructor(handle: WorkflowHandle<MigrateCollection>) {
    this.#handle = handle;
  }

  /**
   * Starts one. Its connection ends with the process: closed while a call waits to be tried again, it
   * would throw from a timer, where nobody can catch it.
   * @throws Error when Temporal cannot be reached or refuses
   */
  static async start(address: string, input: MigrationInput): Promise<Migration> {
    const connection = await Connection.connect({ address });
    const client = new Client({ connection });
    const handle = await client.workflow.start<MigrateCollection>(WORKFLOW_TYPE, {
      taskQueue: TASK_QUEUE,
      workflowId: WORKFLOW_ID,
      args: [input],
    });
    return new Migration(handle);
  }

  /** The answer to the query `status`. */
  status(): Promise<MigrationStatus> {
    return this.#handle.query<MigrationStatus>('status');
  }

  /** The update `cutover`. @throws WorkflowUpdateFailedError with the reasons when it is refused */
  cutover(): Promise<CutoverReport> {
    return this.#handle.executeUpdate<CutoverReport, []>('cutover');
  }

  /** The final status. @throws Error with the reason when the migration failed */
  async result(): Promise<MigrationStatus> {
    try {
      return await this.#handle.result();
    } catch (error) {
      if (!(error instanceof WorkflowFailedError)) throw error;
      const reason = error.cause?.message ?? error.message;
      throw new Error(`the migration failed: ${reason}`, { cause: error });
    }
  }
}

/** The command line that starts the same migration, in lines that fit 80 columns. */
export function startCommand(address: string, input: MigrationInput): string {
  return [
    `temporal workflow start --address ${address}`,
    `  --type ${WORKFLOW_TYPE} --task-queue ${TASK_QUEUE}`,
    `  --workflow-id ${WORKFLOW_ID}`,
    `  --input '${JSON.stringify(input)}'`,
  ].join(' \\\n');
}

/** The address of its page in Temporal's UI. */
export function pageUrl(uiUrl: string): string {
  return `${uiUrl}/namespaces/default/workflows/${WORKFLOW_ID}`;
}
