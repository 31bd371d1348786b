import { LogTimestamp } from '@temporalio/worker';
import type { Logger, LogMetadata } from '@temporalio/common';
import { pino, type DestinationStream } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { LogLevel } from './configuration.js';
import { redact } from './redact.js';

type TemporalLevel = Parameters<Logger['log']>[0];

/** Where everything logs: Temporal's own interface. */
export type Log = Logger;

/** How to log. */
export interface LogOptions {
  readonly logLevel: LogLevel;
  readonly logFormat: 'json' | 'pretty';
}

/** Nesting below which attributes are left out: SDK objects go deep and say little there. */
const MAX_DEPTH = 6;
const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

/** While Temporal's server is away, each of a worker's dozens of polls says so at every attempt. */
const RETRIED_CALL = /^gRPC call \w+ retried \d+ times/;
/** Milliseconds between two such lines. */
const RETRIED_CALL_INTERVAL = 10_000;

/** Attributes that Temporal adds to every line and nobody reads. */
const NOISE = new Set(['taskToken', 'isLocal', 'spanContexts']);

/**
 * Temporal's logger over pino: one JSON object per line on standard output, or lines for people.
 * Nothing that looks like a connection string leaves it with its password.
 */
export function createLog(options: LogOptions, destination?: DestinationStream): Log {
  const output = pino(
    {
      level: options.logLevel,
      base: null,
      // Temporal hands over lines a moment late, with the time at which they were written.
      timestamp: false,
      formatters: { level: (level) => ({ level }) },
    },
    options.logFormat === 'json' ? (destination ?? toStdout()) : forPeople(destination),
  );

  let lastRetriedCall = 0;

  function log(level: TemporalLevel, message: string, meta: LogMetadata = {}): void {
    const written = writtenAt(meta);
    if (RETRIED_CALL.test(message)) {
      if (written - lastRetriedCall < RETRIED_CALL_INTERVAL) return;
      lastRetriedCall = written;
    }
    const pinoLevel = isRoutine(level, message, meta) ? 'debug' : toPino(level);
    if (!output.isLevelEnabled(pinoLevel)) return;
    const time = new Date(written).toISOString();
    output[pinoLevel]({ time, ...attributes(meta) }, redact(message));
  }

  return {
    log,
    trace: (message, meta) => log('TRACE', message, meta),
    debug: (message, meta) => log('DEBUG', message, meta),
    info: (message, meta) => log('INFO', message, meta),
    warn: (message, meta) => log('WARN', message, meta),
    error: (message, meta) => log('ERROR', message, meta),
  };
}

/** How much Temporal's native part has to say at a level of ours; its info is our debug. */
export function nativeLevel(level: LogLevel): TemporalLevel {
  switch (level) {
    case 'trace':
      return 'TRACE';
    case 'debug':
      return 'INFO';
    case 'info':
    case 'warn':
      return 'WARN';
    case 'error':
      return 'ERROR';
    default:
      return level satisfies never;
  }
}

// Lines written last are the ones that explain an exit, and only synchronous ones survive it.
function toStdout(): DestinationStream {
  return pino.destination({ dest: 1, sync: true });
}

function forPeople(destination: DestinationStream = toStdout()): DestinationStream {
  const prettify = prettyFactory({
    colorize: process.stdout.isTTY,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    errorLikeObjectKeys: [],
    ignore: 'sdkComponent,namespace,taskQueue,workflowRunId,activityId,target',
  });
  return { write: (line) => destination.write(prettify(line)) };
}

function toPino(level: TemporalLevel): LogLevel {
  switch (level) {
    case 'TRACE':
      return 'trace';
    case 'DEBUG':
      return 'debug';
    case 'INFO':
      return 'info';
    case 'WARN':
      return 'warn';
    case 'ERROR':
      return 'error';
    default:
      return level satisfies never;
  }
}

/**
 * Warnings of Temporal's that are none here: the failure interceptor has said the first already,
 * with what happens next, and the queue of a host is meant to have no workflows.
 */
const ROUTINE_WARNINGS = new Set([
  'Activity failed',
  'No workflows registered, not polling for workflow tasks',
]);

// What Temporal's worker says about itself at info is the bundler's output and its own states.
function isRoutine(level: TemporalLevel, message: string, meta: LogMetadata): boolean {
  if (meta['sdkComponent'] !== 'worker') return false;
  return level === 'INFO' || ROUTINE_WARNINGS.has(message);
}

function writtenAt(meta: LogMetadata): number {
  const nanoseconds: unknown = meta[LogTimestamp];
  return typeof nanoseconds === 'bigint'
    ? Number(nanoseconds / NANOSECONDS_PER_MILLISECOND)
    : Date.now();
}

function attributes(meta: LogMetadata): Record<string, unknown> {
  const entries = Object.entries(meta).filter(([key]) => !NOISE.has(key));
  return Object.fromEntries(entries.map(([key, value]) => [key, clean(value, MAX_DEPTH)]));
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redact(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '…';
  if (value instanceof Date) return value;
  if (value instanceof Error) return cleanError(value, depth);
  if (Array.isArray(value)) return value.map((item: unknown) => clean(item, depth - 1));
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return clean(value.toJSON(), depth - 1);
  }
  const entries: [string, unknown][] = Object.entries(value);
  return Object.fromEntries(entries.map(([key, item]) => [key, clean(item, depth - 1)]));
}

function cleanError(error: Error, depth: number): unknown {
  return {
    type: error.name,
    message: redact(error.message),
    ...('code' in error ? { code: clean(error.code, depth - 1) } : {}),
    ...(error.stack ? { stack: redact(error.stack) } : {}),
    ...(error.cause === undefined ? {} : { cause: clean(error.cause, depth - 1) }),
  };
}
