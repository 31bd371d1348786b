import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { MongoClient } from 'mongodb';
import {
  obtainMongoTools,
  type ReplicaSet,
  type ReplicaSetOptions,
  startReplicaSet,
  startTemporalServer,
  type TemporalServer,
  type TemporalServerOptions,
} from '../../embedded/index.js';
import { TASK_QUEUE } from '../../src/names.js';
import type { MigrationStatus } from '../../src/workflows/status.js';

const POLL_MS = 100;
const SERVING_LOOK_MS = 20;
/** Ends a test that would wait for ever. */
const PATIENCE_MS = 120_000;

/** How an environment is to be; nothing is needed. */
export interface EnvironmentOptions {
  /** Longest wait for a status; 2 minutes when left out. */
  readonly patienceMs?: number;
  /** Between two looks at a status; 100 ms when left out. */
  readonly pollMs?: number;
  readonly source?: Partial<ReplicaSetOptions>;
  readonly target?: Partial<ReplicaSetOptions>;
  readonly temporal?: TemporalServerOptions;
}

/** A worker process as `npm start` runs it. */
export interface WorkerProcess {
  readonly process: ChildProcess;
  /** Everything it has written so far. */
  readonly log: () => string;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Waits until a worker takes work. @throws Error when it has ended before. */
export async function untilServing(worker: WorkerProcess): Promise<void> {
  while (!worker.log().includes('ready: serving')) {
    if (worker.process.exitCode !== null) throw new Error('the worker has ended');
    await sleep(SERVING_LOOK_MS);
  }
}

/** Source, target and Temporal, all real, with what tests do to them. */
export class Environment {
  readonly source: ReplicaSet;
  readonly target: ReplicaSet;
  readonly temporal: TemporalServer;
  readonly client: Client;
  readonly sourceClient: MongoClient;
  readonly targetClient: MongoClient;
  readonly folder: string;
  readonly #tools: { mongodump: string; mongorestore: string };
  readonly #workers = new Set<WorkerProcess>();
  readonly #patienceMs: number;
  readonly #pollMs: number;

  private constructor(parts: {
    source: ReplicaSet;
    target: ReplicaSet;
    temporal: TemporalServer;
    client: Client;
    folder: string;
    tools: { mongodump: string; mongorestore: string };
    patienceMs: number;
    pollMs: number;
  }) {
    this.source = parts.source;
    this.target = parts.target;
    this.temporal = parts.temporal;
    this.client = parts.client;
    this.folder = parts.folder;
    this.#tools = parts.tools;
    this.#patienceMs = parts.patienceMs;
    this.#pollMs = parts.pollMs;
    this.sourceClient = new MongoClient(parts.source.uri);
    this.targetClient = new MongoClient(parts.target.uri);
  }

  static async start(options: EnvironmentOptions = {}): Promise<Environment> {
    const { patienceMs = PATIENCE_MS, pollMs = POLL_MS } = options;
    const [source, target, temporal, tools] = await Promise.all([
      startSide('source', options.source),
      startSide('target', options.target),
      startTemporalServer(options.temporal),
      obtainMongoTools(),
    ]);
    const connection = await Connection.connect({ address: temporal.address });
    const folder = await mkdtemp(join(tmpdir(), 'csm-e2e-'));
    const client = new Client({ connection });
    const limits = { patienceMs, pollMs };
    return new Environment({ source, target, temporal, client, folder, tools, ...limits });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.kill('SIGKILL')));
    await Promise.allSettled([this.sourceClient.close(), this.targetClient.close()]);
    // The client's connection ends with the process: a call that has just failed is tried again by a
    // timer, and throws where nobody catches it when its connection is closed by then.
    await Promise.all([this.source.stop(), this.target.stop(), this.temporal.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }

  /**
   * Starts a worker; all of them are one host, as a worker that is started again is.
   * @param coreFolder where it works, and may write core files
   * @param flags of Node.js; as is, those of `npm start`, the image and the unit for systemd.
   */
  startWorker(
    env: Readonly<Record<string, string | undefined>> = {},
    program = 'dist/worker.js',
    coreFolder?: string,
    flags: readonly string[] = ['--max-semi-space-size=4'],
  ): WorkerProcess {
    const node = [process.execPath, ...flags, resolve(program)];
    const withCore = ['sh', '-c', 'ulimit -c unlimited; cd "$0" && exec "$@"', coreFolder ?? '.'];
    const [command = '', ...args] = coreFolder === undefined ? node : [...withCore, ...node];
    const child = spawn(command, args, {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        MONGODB_URI_SOURCE: this.source.uri,
        MONGODB_URI_TARGET: this.target.uri,
        TEMPORAL_ADDRESS: this.temporal.address,
        MONGODUMP_BIN: this.#tools.mongodump,
        MONGORESTORE_BIN: this.#tools.mongorestore,
        WORKER_HOST: 'e2e',
        CSM_DUMP_FOLDER: this.dumpFolder,
        MALLOC_ARENA_MAX: '2',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const written: string[] = [];
    child.stdout.on('data', (chunk: Buffer) => written.push(chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => written.push(chunk.toString()));
    const worker: WorkerProcess = {
      process: child,
      log: () => written.join(''),
      kill: async (signal) => {
        this.#workers.delete(worker);
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exit = once(child, 'exit');
        child.kill(signal);
        await exit;
      },
    };
    this.#workers.add(worker);
    return worker;
  }

  get dumpFolder(): string {
    return join(this.folder, 'dumps');
  }

  /** Starts a migration of `shop.<collection>`. */
  async migrate(
    collection: string,
    options: Readonly<Record<string, unknown>> = {},
  ): Promise<WorkflowHandle> {
    return this.client.workflow.start('migrateCollection', {
      taskQueue: TASK_QUEUE,
      workflowId: `migrate:source:shop.${collection}:${Date.now()}`,
      args: [{ source: 'source', target: 'target', namespace: `shop.${collection}`, ...options }],
    });
  }

  /** The status; asks again while no worker is there to answer. */
  async status(handle: WorkflowHandle): Promise<MigrationStatus> {
    const deadline = Date.now() + this.#patienceMs;
    for (;;) {
      try {
        return await handle.query<MigrationStatus>('status');
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(POLL_MS);
      }
    }
  }

  /** Polls the status until it is as wanted. Fails when the migration ends otherwise. */
  async until(
    handle: WorkflowHandle,
    what: string,
    isReached: (status: MigrationStatus) => boolean,
  ): Promise<MigrationStatus> {
    const deadline = Date.now() + this.#patienceMs;
    for (;;) {
      const status = await this.status(handle);
      if (isReached(status)) return status;
      if (status.phase === 'failed' || Date.now() > deadline) {
        throw new Error(`waited for ${what}: ${JSON.stringify(status, null, 1)}`);
      }
      await sleep(this.#pollMs);
    }
  }

  /** Asks for the cutover until it is not refused, and waits for the end of the migration. */
  async cutOver(handle: WorkflowHandle): Promise<MigrationStatus> {
    const deadline = Date.now() + this.#patienceMs;
    for (;;) {
      await this.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
      try {
        await handle.executeUpdate('cutover', { args: [{}] });
        break;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
    }
    return (await handle.result()) as MigrationStatus;
  }

  /** Hashes of a collection at both sides, by the servers' own dbHash. */
  async hashes(collection: string, targetCollection = collection): Promise<[string, string]> {
    return [
      await hashOf(this.sourceClient, collection),
      await hashOf(this.targetClient, targetCollection),
    ];
  }

  /** The servers' versions, source and target. */
  async versions(): Promise<[string, string]> {
    const [source, target] = [this.sourceClient, this.targetClient].map(async (client) => {
      const { version } = await client.db('admin').command({ buildInfo: 1 });
      return String(version);
    });
    return [(await source) ?? '', (await target) ?? ''];
  }

  /** What a migration must not leave: collections of its own, dump files. */
  async leftovers(): Promise<string[]> {
    const collections = await this.targetClient.db('shop').listCollections().toArray();
    const own = collections.map(({ name }) => name).filter((name) => name.startsWith('cdc'));
    const files = await readdir(this.dumpFolder, { recursive: true }).catch(() => []);
    return [...own, ...files];
  }
}

/** Starts a side with the mongod that `MONGOD_BIN_SOURCE` or `MONGOD_BIN_TARGET` names, else the usual one. */
function startSide(
  name: 'source' | 'target',
  options: Partial<ReplicaSetOptions> = {},
): Promise<ReplicaSet> {
  const binary = process.env[`MONGOD_BIN_${name.toUpperCase()}`];
  return startReplicaSet({ name, ...(binary && { binary }), ...options });
}

async function hashOf(client: MongoClient, collection: string): Promise<string> {
  const reply = await client.db('shop').command({ dbHash: 1, collections: [collection] });
  return String(reply['collections'][collection]);
}
