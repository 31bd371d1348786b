import { ActivityFailure, ApplicationFailure, patched, TimeoutFailure } from '@temporalio/workflow';
import { type ErrorType, errorTypes } from '../errors.js';
import type { Blocker } from '../migration.js';
import type { Parsed } from '../options.js';

/**
 * The checked input of a workflow.
 * @throws ApplicationFailure InvalidInput, which names all that is wrong.
 */
export function acceptInput<T>(parsed: Parsed<T>): T {
  if ('value' in parsed) return parsed.value;
  throw invalid(parsed.error);
}

/** The payload of a start or a message; several of them are a list, which no schema takes. For validators. */
export function sentAs(given: readonly unknown[]): unknown {
  return given.length > 1 ? given : given[0];
}

/** The same where a history may tell of it: code before this took the first one. */
export function payloadOf(given: readonly unknown[]): unknown {
  return given.length > 1 && patched('onePayload') ? given : given[0];
}

/**
 * The failure of an activity as the workflow's own, so that its type and message are seen first.
 * @param left what the workflow has left behind, in words; the message ends with it.
 */
export function bareFailure(error: unknown, left: readonly string[] = []): unknown {
  const cause = causeOf(error);
  if (!(cause instanceof ApplicationFailure)) return error;
  const { type, message, details } = cause;
  return told({
    type: type ?? 'Error',
    message: left.length > 0 ? `${message} (left: ${left.join(', ')})` : message,
    details: details ?? [],
  });
}

/** What a failure says, without Temporal's wrapping of activities. */
export function messageOf(error: unknown): string {
  const cause = causeOf(error);
  return cause instanceof Error ? cause.message : String(cause);
}

/** The failure itself, without Temporal's wrapping of activities; of one whose time was up, what it last failed with. */
export function causeOf(error: unknown): unknown {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof TimeoutFailure ? (cause.cause ?? cause) : cause;
}

/** A failure that no retry can mend. */
export function failed(type: ErrorType, message: string): ApplicationFailure {
  return told({ type, message });
}

/** A message that cannot be understood. */
export function invalid(message: string): ApplicationFailure {
  return failed(errorTypes.invalidInput, message);
}

/** A cutover that is refused, with its reasons. */
export function refused(blockers: readonly Blocker[]): ApplicationFailure {
  return told({
    type: errorTypes.cutoverRefused,
    message: `the cutover is refused: ${blockers.map(({ code, message }) => `${message} (${code})`).join('; ')}`,
    details: [...blockers],
  });
}

/** What people are told. The UI shows a stack below it, which would lead them into this code for a mistake of their own. */
function told(failure: {
  readonly type: string;
  readonly message: string;
  readonly details?: unknown[];
}): ApplicationFailure {
  const error = ApplicationFailure.create({ ...failure, nonRetryable: true });
  error.stack = '';
  return error;
}
