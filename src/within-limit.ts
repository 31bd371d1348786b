import { redact } from './redact.js';
import { shorten } from './shorten.js';

/** Longest that an answer waits for the servers, in ms. */
export const TIME_LIMIT_MS = 3_000;

/** What was read, or why it could not be. */
export async function withinLimit<T>(
  work: Promise<T>,
  limitMs = TIME_LIMIT_MS,
): Promise<T | { readonly error: string }> {
  const read = work.catch((error: unknown) => ({
    error: shorten(redact(error instanceof Error ? error.message : String(error))),
  }));
  const answered = await within(limitMs, read);
  return answered ? answered.value : { error: `no answer within ${TIME_LIMIT_MS / 1000} s` };
}

/** @returns nothing when it takes longer. */
export async function within<T>(
  ms: number,
  work: Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([work.then((value) => ({ value })), late]);
  } finally {
    clearTimeout(timer);
  }
}
