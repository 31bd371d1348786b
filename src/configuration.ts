import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ClientConnectConfig } from '@temporalio/envconfig';
import { readAliases, type Environment } from './aliases.js';
import type { Secret } from './secret.js';
import { readTemporalSettings } from './temporal-settings.js';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

const LOOPBACK = '127.0.0.1';
/** OpenTelemetry's own names, of which either is enough. */
const endpoints = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;

/** Everything that the worker is told by its environment, checked. */
export interface Configuration {
  /** Connection strings by alias. */
  readonly uris: ReadonlyMap<string, Secret>;
  /** Address, namespace and credentials of Temporal. */
  readonly temporal: Secret<ClientConnectConfig>;
  /** Stable name of this host: the queue that serves its dump files bears it. */
  readonly workerHost: string;
  readonly dumpFolder: string;
  readonly logLevel: LogLevel;
  readonly logFormat: 'json' | 'pretty';
  /** Activities that run at the same time, on each of the two queues. */
  readonly maxActivities: number;
  /** `<ip>:<port>` of the Prometheus exporter, loopback unless another is named; none when left out. */
  readonly metricsAddress: string | undefined;
  /** `<ip>:<port>` of `/healthz` and `/readyz`, as above. */
  readonly healthAddress: string | undefined;
  /** Spans are sent to where OpenTelemetry's variables say. */
  readonly tracing: boolean;
  /** Seconds that activities have to end after a shutdown cancelled them; forced 10 s later. */
  readonly shutdownGraceSeconds: number;
  /** `optional`: start without mongodump and mongorestore, for migrations with `copy: "direct"`. */
  readonly tools: 'required' | 'optional';
  /** What looks wrong and does not keep the worker from starting. */
  readonly warnings: readonly string[];
}

/** The environment cannot be used; the message lists all that has to be changed. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(['The worker cannot start:', ...problems.map((each) => `  - ${each}`)].join('\n'));
    this.problems = problems;
  }
}

/** What `readConfiguration` may read beside the environment. */
export interface ConfigurationSources {
  /** Reads a mounted secret. */
  readonly files?: (path: string) => string;
  /** Whether standard output is a terminal. */
  readonly terminal?: boolean;
}

/**
 * Reads the worker's settings from environment variables.
 *
 * @throws ConfigurationError naming everything that is missing or wrong at once, and no secret
 */
export function readConfiguration(
  env: Environment,
  { files = readText, terminal = process.stdout.isTTY }: ConfigurationSources = {},
): Configuration {
  const settings = new Settings(env);
  const { uris, problems } = readAliases(env, files);
  const temporal = readTemporalSettings(env);
  settings.problems.push(...problems, ...temporal.problems);
  const configuration = {
    uris,
    temporal: temporal.config,
    workerHost: settings.text('WORKER_HOST', hostname()),
    dumpFolder: resolve(settings.text('CSM_DUMP_FOLDER', join(tmpdir(), 'changestream-migration'))),
    logLevel: settings.choice('CSM_LOG_LEVEL', logLevels, 'info'),
    logFormat: settings.choice('CSM_LOG_FORMAT', ['json', 'pretty'], terminal ? 'pretty' : 'json'),
    maxActivities: settings.integer('CSM_MAX_ACTIVITIES', 500, 1, 10_000),
    metricsAddress: settings.address('CSM_METRICS_ADDRESS'),
    healthAddress: settings.address('CSM_HEALTH_ADDRESS'),
    tracing: endpoints.map((name) => settings.url(name)).includes(true),
    shutdownGraceSeconds: settings.integer('CSM_SHUTDOWN_GRACE_SECONDS', 20, 0, 3600),
    tools: settings.choice('CSM_TOOLS', ['required', 'optional'], 'required'),
    warnings: settings.unknown(),
  };
  if (settings.problems.length > 0) throw new ConfigurationError(settings.problems);
  return configuration;
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

/** Reads single variables, remembers their names, and collects what is wrong with them. */
class Settings {
  readonly problems: string[] = [];
  readonly #env: Environment;
  readonly #known = new Set<string>();

  constructor(env: Environment) {
    this.#env = env;
  }

  text(name: string, fallback: string): string {
    return this.#read(name) ?? fallback;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const text = this.#read(name);
    if (text === undefined) return fallback;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    this.problems.push(`${name} has to be a whole number from ${min} to ${max}`);
    return fallback;
  }

  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const text = this.#read(name);
    if (text === undefined) return fallback;
    const value = choices.find((choice) => choice === text.toLowerCase());
    if (value !== undefined) return value;
    this.problems.push(`${name} has to be one of ${choices.join(', ')}`);
    return fallback;
  }

  /** Whether there is one. */
  url(name: string): boolean {
    const text = this.#read(name);
    if (text === undefined) return false;
    if (/^https?:/i.test(text) && URL.canParse(text)) return true;
    this.problems.push(`${name} has to be a URL, for example http://127.0.0.1:4318`);
    return false;
  }

  address(name: string): string | undefined {
    const text = this.#read(name);
    if (text === undefined) return undefined;
    const [, host, port = ''] = /^(?:(.*):)?(\d{1,5})$/.exec(text) ?? [];
    // Whoever names no address means this machine: all addresses have to be asked for.
    const address = host || LOOPBACK;
    const isAddress = isIP(address.replace(/^\[(.*)\]$/, '$1')) !== 0;
    if (isAddress && Number(port) > 0 && Number(port) < 65_536) return `${address}:${port}`;
    this.problems.push(`${name} has to be <port> or <ip>:<port>, for example 127.0.0.1:9464`);
    return undefined;
  }

  /** A warning for each `CSM_*` variable that nothing has asked for: it is probably misspelt. */
  unknown(): string[] {
    return Object.keys(this.#env)
      .filter((name) => name.startsWith('CSM_') && !this.#known.has(name))
      .map((name) => `${name} is not a setting (known: ${[...this.#known].toSorted().join(', ')})`);
  }

  // Compose files hand over an unset variable as an empty one.
  #read(name: string): string | undefined {
    if (name.startsWith('CSM_')) this.#known.add(name);
    return this.#env[name]?.trim() || undefined;
  }
}
