import { randomUUID } from 'node:crypto';
import { ApplicationFailure, Client, Connection, type WorkflowHandle } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { startTemporalServer, type TemporalServer } from '../../embedded/index.js';
import { pulseSinks } from '../../src/activities/pulse.js';
import { workflowSources } from '../../src/workflow-bundle.js';
import type { migrateCollection } from '../../src/workflows/index.js';
import { isFinal } from '../../src/workflows/phases.js';
import type { MigrationStatus } from '../../src/workflows/status.js';
import type { FakeActivities } from './fake-activities.js';
import { takenAs } from './taken-as.js';

/** What a migration is started with unless a test says otherwise. */
export const input = { source: 'source', target: 'target', namespace: 'shop.orders' } as const;

/** The workflow's code as the worker runs it. */
export async function bundleWorkflows(): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({ ...workflowSources(), logger: new DefaultLogger('ERROR') });
}

/** Failing and cancelled activities are what these tests are about: not worth a line each. */
export function installQuietRuntime(): void {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'off' } },
  });
}

/** A running migration, from outside. */
export class Running {
  readonly fakes: FakeActivities;
  readonly handle: WorkflowHandle<typeof migrateCollection>;

  constructor(fakes: FakeActivities, handle: WorkflowHandle<typeof migrateCollection>) {
    this.fakes = fakes;
    this.handle = handle;
  }

  async status(): Promise<MigrationStatus> {
    return this.handle.query<MigrationStatus>('status');
  }

  /**
   * Asks for the status until it is as wanted.
   * @throws when the migration ends otherwise.
   */
  async until(isWanted: (status: MigrationStatus) => boolean): Promise<MigrationStatus> {
    for (;;) {
      const status = await this.status();
      if (isWanted(status)) return status;
      if (isFinal(status.phase)) throw new Error(`the migration has ended: ${status.phase}`);
    }
  }

  async reaches(phase: MigrationStatus['phase']): Promise<MigrationStatus> {
    return this.until((status) => status.phase === phase);
  }

  async signal(name: string, payload?: unknown): Promise<void> {
    await (payload === undefined
      ? this.handle.signal(name)
      : this.handle.signal<[unknown]>(name, payload));
  }

  async update(name: string, payload?: unknown): Promise<unknown> {
    return payload === undefined
      ? this.handle.executeUpdate(name)
      : this.handle.executeUpdate<unknown, [unknown]>(name, { args: [payload] });
  }

  async result(): Promise<MigrationStatus> {
    return this.handle.result();
  }

  /** Sends an update that is refused. @returns the failure. */
  async refused(name: string, payload?: unknown): Promise<ApplicationFailure> {
    return failureOf(this.update(name, payload));
  }

  /** Why the workflow failed. */
  async failure(): Promise<ApplicationFailure> {
    return failureOf(this.handle.result());
  }

  /** Cuts over and returns the final status. */
  async complete(): Promise<MigrationStatus> {
    await this.reaches('ready');
    await this.update('cutover');
    return this.result();
  }
}

/** A Temporal server, and a worker with fake activities for each migration. */
export class WorkflowEnvironment implements AsyncDisposable {
  readonly client: Client;
  readonly bundle: WorkflowBundleWithSourceMap;
  readonly #server: TemporalServer;
  readonly #connection: NativeConnection;

  private constructor(
    server: TemporalServer,
    connection: NativeConnection,
    client: Client,
    bundle: WorkflowBundleWithSourceMap,
  ) {
    this.#server = server;
    this.#connection = connection;
    this.client = client;
    this.bundle = bundle;
  }

  static async start(): Promise<WorkflowEnvironment> {
    installQuietRuntime();
    const server = await startTemporalServer();
    const { address } = server;
    const connection = await NativeConnection.connect({ address });
    const client = new Client({ connection: await Connection.connect({ address }) });
    return new WorkflowEnvironment(server, connection, client, await bundleWorkflows());
  }

  /**
   * Starts a migration with these activities, lets `story` follow it, and ends what is left of it.
   * `payload` is the workflow's input; `input` with these fields unless it is no object.
   */
  async run<T>(
    fakes: FakeActivities,
    payload: unknown,
    story: (running: Running) => Promise<T>,
  ): Promise<T> {
    const args = isFields(payload) ? { ...input, ...payload } : payload;
    return this.runWorkflow<typeof migrateCollection, T>(
      'migrateCollection',
      fakes,
      args,
      (handle) => story(new Running(fakes, handle)),
    );
  }

  /** Starts any workflow with these activities and this input. */
  async runWorkflow<W extends (payload?: unknown) => Promise<unknown>, T>(
    type: string,
    fakes: FakeActivities,
    payload: unknown,
    story: (handle: WorkflowHandle<W>) => Promise<T>,
    furtherPayloads: readonly unknown[] = [],
  ): Promise<T> {
    const taskQueue = randomUUID();
    const worker = await Worker.create({
      connection: this.#connection,
      taskQueue,
      workflowBundle: this.bundle,
      activities: fakes.activities(),
      sinks: pulseSinks,
      // A heartbeat is how a cancellation arrives.
      maxHeartbeatThrottleInterval: '20ms',
      defaultHeartbeatThrottleInterval: '20ms',
    });
    return worker.runUntil(async () => {
      const handle: WorkflowHandle<W> = takenAs(
        await this.client.workflow.start(type, {
          taskQueue,
          workflowId: `migrate:source:${taskQueue}`,
          args: [payload, ...furtherPayloads],
        }),
      );
      void handle
        .result()
        .catch(() => undefined)
        .then(() => fakes.ended());
      try {
        return await story(handle);
      } finally {
        await handle.terminate('the test is over').catch(() => undefined);
        fakes.end();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The client's connection ends with the process: a call that has just failed is tried again by a
    // timer, and throws where nobody catches it when its connection is closed by then.
    await this.#connection.close();
    await this.#server.stop();
  }
}

/** Why a workflow or an update has failed. */
export async function failureOf(work: Promise<unknown>): Promise<ApplicationFailure> {
  const error: unknown = await work.then(
    () => new Error('nothing has failed'),
    (reason: unknown) => reason,
  );
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof ApplicationFailure) return cause;
  throw error;
}

function isFields(payload: unknown): payload is object {
  return typeof payload === 'object' && payload !== null && !Array.isArray(payload);
}
