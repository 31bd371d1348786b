import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import { errorTypes } from '../errors.js';
import type { Parsed } from '../options.js';

/**
 * The checked input of a workflow.
 * @throws ApplicationFailure InvalidInput, which names all that is wrong.
 */
export function acceptInput<T>(parsed: Parsed<T>): T {
  if ('value' in parsed) return parsed.value;
  throw ApplicationFailure.create({
    type: errorTypes.invalidInput,
    message: parsed.error,
    nonRetryable: true,
  });
}

/** The failure of an activity as the workflow's own, so that its type and message are seen first. */
export function bareFailure(error: unknown): unknown {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  if (!(cause instanceof ApplicationFailure)) return error;
  const { type, message, details } = cause;
  return ApplicationFailure.create({
    type: type ?? 'Error',
    message,
    details: details ?? [],
    nonRetryable: true,
  });
}
