import { CompleteAsyncError } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure, TemporalFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { MongoError } from 'mongodb';
import { aliasOf } from './connections.js';
import { errorTypes, PermanentError, TransientError, type ErrorType } from './errors.js';
import { explainMongoError, isUnreachable, unreachable } from './mongo-failures.js';
import { clientOf } from './mongo/error-reply.js';
import { redact } from './redact.js';
import { shorten } from './shorten.js';
import { ToolError } from './tools/index.js';

/** Characters of a message that Temporal's history gets; MongoDB repeats whole commands in some. */
const MAX_MESSAGE = 2000;
const NO_SPACE = /no space left on device|OutOfDiskSpace/i;

/** What was going on when an error came up. */
export interface FailureContext {
  /** Type of the activity. */
  readonly activity: string;
  /** Alias of the deployment that was asked, if there was one alone. */
  readonly alias?: string;
  readonly namespace?: string;
  /** The activity's cancellation: an error that it caused is no failure. */
  readonly signal?: AbortSignal;
}

/** What an error means: its type, what to tell people, and whether trying again can help. */
export interface Explanation {
  readonly type: string;
  readonly message: string;
  readonly permanent?: boolean;
  readonly details?: readonly unknown[];
}

/**
 * Translates whatever an activity throws into what Temporal and its users shall see: a type from
 * `errorTypes`, a message that says what to do, and no secret. Temporal's own failures pass as they are.
 */
export function toFailure(error: unknown, context: FailureContext): Error {
  if (error instanceof TemporalFailure || error instanceof CompleteAsyncError) return error;
  const cancelled = cancellationOf(error, context.signal);
  if (cancelled !== undefined) return cancelled;

  const { type, message, permanent = false, details } = explain(error, context);
  const failure = ApplicationFailure.create({
    type,
    message: shorten(redact(message), MAX_MESSAGE),
    nonRetryable: permanent,
    details: cleanDetails(details ?? [origin(error, context)]),
  });
  // The original stack begins with the original message, and that one may hold anything.
  const frames = error instanceof Error ? (error.stack?.match(/^\s+at .*$/gm) ?? []) : [];
  failure.stack = redact([`${failure.name}: ${failure.message}`, ...frames].join('\n'));
  return failure;
}

/** Applies `toFailure` to every activity and logs one line per attempt that failed. */
export const failureInterceptor: ActivityInterceptorsFactory = ({
  info,
  cancellationSignal,
  log,
}) => ({
  inbound: {
    async execute(input, activityItself) {
      try {
        return await activityItself(input);
      } catch (error) {
        const { activityType: activity, attempt } = info;
        const failure = toFailure(error, {
          activity,
          ...namespaceOf(input.args[0]),
          ...sideOf(error),
          signal: cancellationSignal,
        });
        if (failure instanceof ApplicationFailure && failure.category !== 'BENIGN') {
          const next = failure.nonRetryable ? 'not tried again' : 'Temporal tries again';
          log.warn(`${activity} failed in attempt ${attempt}, ${next}: ${failure.message}`, {
            errorType: failure.type,
          });
        } else {
          log.debug(`${activity} has ended in attempt ${attempt}`, {
            error: redact(String(error)),
          });
        }
        throw failure;
      }
    },
  },
});

function explain(error: unknown, context: FailureContext): Explanation {
  if (error instanceof PermanentError) {
    const { type, message, details } = error;
    return { type, message, permanent: true, ...(details.length > 0 ? { details } : {}) };
  }
  if (error instanceof TransientError) return { type: error.type, message: error.message };
  if (error instanceof ToolError) return { message: error.message, ...toolFailure(error) };
  if (isUnreachable(error)) return unreachable(error, context);
  if (error instanceof MongoError) return explainMongoError(error, context);
  const message = error instanceof Error ? error.message : String(error);
  if (codeOf(error) === 'ENOSPC' || NO_SPACE.test(message)) {
    return {
      type: errorTypes.diskFull,
      message: `The worker's disk is full: ${message}. Free some space; it goes on by itself.`,
    };
  }
  return { type: error instanceof Error ? error.name : 'Error', message };
}

function toolFailure({ failure }: ToolError): { type: ErrorType; permanent?: boolean } {
  if (failure === 'noSpace') return { type: errorTypes.diskFull };
  if (failure === 'unreachable') return { type: errorTypes.unreachable };
  // The capture is about to find out too: whoever is first, it is one failure to people.
  if (failure === 'noCollection') return { type: errorTypes.streamEnded, permanent: true };
  return { type: errorTypes.toolFailed };
}

function cancellationOf(error: unknown, signal: AbortSignal | undefined): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.cause instanceof CancelledFailure) return error.cause;
  if (signal?.aborted !== true) return undefined;
  // What fails after a cancellation fails because of it: a cursor that is killed, a session that is
  // ended, a child that is stopped. Only what is final by itself is not.
  if (error instanceof PermanentError) return undefined;
  const reason: unknown = signal.reason;
  return reason instanceof CancelledFailure ? reason : new CancelledFailure('CANCELLED');
}

function origin(error: unknown, { alias, namespace }: FailureContext): Record<string, unknown> {
  return {
    name: error instanceof Error ? error.name : typeof error,
    code: codeOf(error),
    codeName: error instanceof Error && 'codeName' in error ? error.codeName : undefined,
    alias,
    namespace,
  };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

// Details are JSON anyway, and in that form every string in them can be cleaned at once.
function cleanDetails(details: readonly unknown[]): unknown[] {
  const json = JSON.stringify(details, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    return typeof value === 'string' ? redact(value) : value;
  });
  const cleaned: unknown[] = JSON.parse(json);
  return cleaned;
}

function sideOf(error: unknown): Pick<FailureContext, 'alias'> {
  const client = clientOf(error);
  const alias = client && aliasOf(client);
  return alias === undefined ? {} : { alias };
}

// Every activity gets its migration first.
function namespaceOf(migration: unknown): { namespace?: string } {
  if (!isObject(migration) || !('options' in migration)) return {};
  const { options } = migration;
  if (!isObject(options) || !('namespace' in options)) return {};
  return typeof options.namespace === 'string' ? { namespace: options.namespace } : {};
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
