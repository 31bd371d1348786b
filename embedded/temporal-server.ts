import { execa } from 'execa';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { Child, untilReady } from './child.js';
import { flags } from './flags.js';
import { obtainTemporal } from './obtain.js';
import { freePort } from './ports.js';
import type { OnProgress } from './progress.js';
import { silent } from './progress.js';

/** What Temporal server to start. */
export interface TemporalServerOptions {
  /** The file that keeps workflows over `kill` and `restart`; they live in memory when left out. */
  readonly dbFile?: string;
  /** Keeps workflows over `kill` and `restart` in a temporary file of its own. */
  readonly keep?: boolean;
  /** Whether to serve the web UI too; not when left out. */
  readonly ui?: boolean;
  /** The port for clients; a free one when left out. */
  readonly port?: number;
  /** The web UI's port; a free one when left out. */
  readonly uiPort?: number;
  /** Further arguments of `temporal server start-dev`, such as `--search-attribute`. */
  readonly args?: readonly string[];
  /** Path of the Temporal CLI to run; see `obtainTemporal` when left out. */
  readonly binary?: string;
  /** Told when the Temporal CLI has to be obtained first. */
  readonly onProgress?: OnProgress;
}

/** The TCP ports of one server. */
export interface TemporalPorts {
  readonly grpc: number;
  readonly http: number;
  readonly metrics: number;
  /** `undefined` without the web UI. */
  readonly ui: number | undefined;
}

const START_TIMEOUT_MS = 60_000;
/** It takes free ports for its own services too, and panics when another server was faster: seen with many at a time. */
const PANIC = 2;
const RETRIES = 2;

/** `temporal`'s arguments. Every port is said: the server's own choice may meet that of another one. */
export function temporalArgs(
  ports: TemporalPorts,
  { dbFile, args = [] }: Pick<TemporalServerOptions, 'dbFile' | 'args'>,
): string[] {
  return [
    ...flags(
      ['server'],
      ['start-dev'],
      ['--ip', '127.0.0.1'],
      ['--port', ports.grpc],
      ['--http-port', ports.http],
      ['--metrics-port', ports.metrics],
      ports.ui === undefined ? ['--headless'] : ['--ui-port', ports.ui],
      ['--db-filename', dbFile],
      ['--log-level', 'error'],
      ['--color', 'never'],
    ),
    ...args,
  ];
}

/** A running Temporal development server on 127.0.0.1. It ends with this process at the latest. */
export class TemporalServer implements AsyncDisposable {
  readonly namespace = 'default';
  readonly #binary: string;
  readonly #args: readonly string[];
  readonly #ports: TemporalPorts;
  readonly #dir: string;
  #child: Child | undefined;

  /** @internal use {@link startTemporalServer} */
  constructor(binary: string, args: readonly string[], ports: TemporalPorts, dir: string) {
    this.#binary = binary;
    this.#args = args;
    this.#ports = ports;
    this.#dir = dir;
  }

  /** `127.0.0.1:<port>`, for clients and workers. */
  get address(): string {
    return `127.0.0.1:${this.#ports.grpc}`;
  }

  /** The web UI's address; `undefined` without it. */
  get uiUrl(): string | undefined {
    return this.#ports.ui === undefined ? undefined : `http://127.0.0.1:${this.#ports.ui}`;
  }

  /** The server's process id; `undefined` while it is not running. */
  get pid(): number | undefined {
    return this.#child?.running === true ? this.#child.pid : undefined;
  }

  /** The file with what the server says. */
  get logFile(): string {
    return join(this.#dir, 'temporal.log');
  }

  /**
   * Ends the server if it runs and starts it again on the same ports. Without `dbFile` it comes back empty.
   *
   * @throws Error with the last lines of its log
   */
  async restart(): Promise<void> {
    await this.#child?.stop();
    await this.#start(RETRIES);
  }

  async #start(retries: number): Promise<void> {
    const child = await Child.start({
      command: this.#binary,
      args: this.#args,
      logFile: this.logFile,
      env: withoutTemporal(process.env),
      removeIfOrphaned: this.#dir,
    });
    this.#child = child;
    try {
      await untilReady({
        child,
        what: 'Temporal server',
        logFile: this.logFile,
        timeoutMs: START_TIMEOUT_MS,
        probe: () => this.#probe(),
      });
    } catch (error) {
      const panicked = !child.running && (await child.ended) === PANIC;
      await child.kill();
      if (panicked && retries > 0) return this.#start(retries - 1);
      throw error;
    }
  }

  /** Ends the server in an orderly way. Safe to call twice; final. The `dbFile` stays. */
  async stop(): Promise<void> {
    await this.#child?.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Ends the server by a signal, SIGKILL unless said otherwise; `restart` brings it back. */
  async kill(signal?: NodeJS.Signals): Promise<void> {
    await this.#child?.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  // It answers before it has its namespace, and the UI comes last.
  async #probe(): Promise<void> {
    const connection = await Connection.connect({ address: this.address, connectTimeout: 2_000 });
    try {
      await connection.withDeadline(Date.now() + 2_000, () =>
        connection.workflowService.listWorkflowExecutions({
          namespace: this.namespace,
          pageSize: 1,
        }),
      );
    } finally {
      await connection.close();
    }
    if (this.uiUrl !== undefined) await fetch(this.uiUrl, { signal: AbortSignal.timeout(2_000) });
  }
}

/**
 * Starts a Temporal development server and waits until its namespace answers, and its UI when asked for.
 *
 * @throws Error with the last lines of its log when it does not start; nothing is left running then
 */
export async function startTemporalServer(
  options: TemporalServerOptions = {},
): Promise<TemporalServer> {
  const binary = options.binary ?? (await obtainTemporal(options.onProgress ?? silent));
  const ports: TemporalPorts = {
    grpc: options.port ?? (await freePort()),
    http: await freePort(),
    metrics: await freePort(),
    ui: options.ui === true ? (options.uiPort ?? (await freePort())) : undefined,
  };
  const dir = await mkdtemp(join(tmpdir(), 'changestream-migration-temporal-'));
  const args = temporalArgs(ports, {
    ...(options.keep === true && { dbFile: join(dir, 'temporal.db') }),
    ...options,
    args: [...(await quietUi(binary, ports)), ...(options.args ?? [])],
  });
  const server = new TemporalServer(binary, args, ports, dir);
  try {
    await server.restart();
    return server;
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

// The UI fetches news from the web unless told not to, and only newer versions can be told.
async function quietUi(binary: string, ports: TemporalPorts): Promise<string[]> {
  if (ports.ui === undefined) return [];
  const flag = '--ui-disable-news-fetch';
  const help = await execa(binary, ['server', 'start-dev', '--help'], { reject: false });
  return help.stdout.includes(flag) ? [flag] : [];
}

// The CLI reads TEMPORAL_* for its client commands, and refuses to start over a broken configuration.
function withoutTemporal(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}
