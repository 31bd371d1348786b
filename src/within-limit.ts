import { redact } from './redact.js';
import { shorten } from './shorten.js';

/** Longest that an answer waits for the servers, in ms. */
export const TIME_LIMIT_MS = 3_000;

/** What was read, or why it could not be. */
export async function withinLimit<T>(
  work: Promise<T>,
  limitMs = TIME_LIMIT_MS,
): Promise<T | { readonly error: string }> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<{ error: string }>((resolve) => {
    const error = `no answer within ${TIME_LIMIT_MS / 1000} s`;
    timer = setTimeout(() => resolve({ error }), limitMs);
  });
  const read = work.catch((error: unknown) => ({
    error: shorten(redact(error instanceof Error ? error.message : String(error))),
  }));
  try {
    return await Promise.race([read, limit]);
  } finally {
    clearTimeout(timer);
  }
}
