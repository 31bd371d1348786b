import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  type WorkflowExecutionDescription,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { ConfigurationError, type Configuration } from './configuration.js';
import type { Log } from './log.js';
import { redact } from './redact.js';
import { missingAttributes } from './search-attributes.js';
import { explainTemporal } from './temporal-failures.js';
import { DEFAULT_ADDRESS, DEFAULT_NAMESPACE } from './temporal-settings.js';

const FIRST_DELAY_SECONDS = 1;
const MAX_DELAY_SECONDS = 30;
/** Milliseconds that the server may take to describe the namespace. */
const ANSWER_TIMEOUT = 10_000;

/** A connection to a Temporal server that answers and knows the namespace. */
export interface Temporal {
  readonly connection: NativeConnection;
  readonly client: Client;
  readonly namespace: string;
}

/**
 * Connects to Temporal, however long that takes: no server, an unknown namespace or a refused login
 * may all be mended while the worker waits. It says what is wrong at every attempt.
 *
 * @throws the signal's reason when it is aborted
 * @throws ConfigurationError when the settings can never lead to a connection
 */
export async function connectTemporal(
  { temporal }: Pick<Configuration, 'temporal'>,
  log: Log,
  signal: AbortSignal,
): Promise<Temporal> {
  const { connectionOptions, namespace = DEFAULT_NAMESPACE } = temporal.reveal();
  const address = connectionOptions.address ?? DEFAULT_ADDRESS;
  log.info(`connecting to Temporal at ${address}`, { temporalNamespace: namespace });

  for (let delay = FIRST_DELAY_SECONDS; ; delay = Math.min(2 * delay, MAX_DELAY_SECONDS)) {
    signal.throwIfAborted();
    const attempt = connectOnce({ ...connectionOptions, address }, namespace);
    try {
      return await orAborted(attempt, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TypeError) throw new ConfigurationError([`Temporal: ${error.message}`]);
      const problem = explainTemporal(error, address, namespace);
      log.warn(`${redact(problem)}; next try in ${delay} s`);
    }
    await sleep(delay * 1000, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/**
 * Whether a workflow run, or one that goes on in its place after a reset, is still open. An answer that did
 * not come is an error and never a no: what belongs to a running migration must not be cleared away.
 * @returns nothing when this Temporal namespace does not know the run: it may be over for long, or be
 * another's.
 */
export async function isRunning(
  client: Client,
  workflowId: string,
  runId: string,
): Promise<boolean | undefined> {
  try {
    const run = await client.workflow.getHandle(workflowId, runId).describe();
    if (run.closeTime === undefined) return true;
    const latest = await client.workflow.getHandle(workflowId).describe();
    return latest.closeTime === undefined && firstRun(latest) === firstRun(run);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** A reset leaves the run as terminated, and goes on in another one of the same chain. */
export function firstRun({ raw }: WorkflowExecutionDescription): string | null | undefined {
  return raw.workflowExecutionInfo?.firstRunId;
}

/**
 * Whether all search attributes of migrations are registered. An answer that did not come is a no:
 * migrations do without them.
 */
export async function hasSearchAttributes({
  connection,
  namespace,
}: Pick<Temporal, 'connection' | 'namespace'>): Promise<boolean> {
  try {
    const { customAttributes } = await connection.withDeadline(Date.now() + ANSWER_TIMEOUT, () =>
      connection.operatorService.listSearchAttributes({ namespace }),
    );
    return missingAttributes(customAttributes).length === 0;
  } catch {
    return false;
  }
}

type ConnectionOptions = NonNullable<Parameters<typeof NativeConnection.connect>[0]>;

async function connectOnce(options: ConnectionOptions, namespace: string): Promise<Temporal> {
  const connection = await NativeConnection.connect(options);
  try {
    await connection.withDeadline(Date.now() + ANSWER_TIMEOUT, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
  } catch (error) {
    await connection.close();
    throw error;
  }
  return { connection, client: new Client({ connection, namespace }), namespace };
}

// A native connection attempt cannot be cancelled; an aborted one is left to end by itself.
async function orAborted<T>(attempt: Promise<T>, signal: AbortSignal): Promise<T> {
  const settled = new AbortController();
  const aborted = once(signal, 'abort', { signal: settled.signal }).then(() => {
    throw new Error('aborted');
  });
  try {
    return await Promise.race([attempt, aborted]);
  } finally {
    settled.abort();
  }
}
