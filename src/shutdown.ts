import type { Log } from './log.js';

/** Milliseconds within which the same signal arrives twice when a terminal and npm both pass it on. */
const SAME_SIGNAL = 1000;

/**
 * A signal that is aborted by the first SIGTERM or SIGINT. A second one, by a person who does not
 * want to wait any longer, ends the process at once.
 */
export function shutdownSignal(log: Log): AbortSignal {
  const shutdown = new AbortController();
  let receivedAt = 0;
  const receive = (signal: NodeJS.Signals): void => {
    if (!shutdown.signal.aborted) {
      receivedAt = Date.now();
      log.info(`${signal}: shutting down; a second one forces the end`);
      shutdown.abort();
    } else if (Date.now() - receivedAt > SAME_SIGNAL) {
      log.warn(`${signal} again: ending at once`);
      process.exit(1);
    }
  };
  process.on('SIGTERM', receive);
  process.on('SIGINT', receive);
  return shutdown.signal;
}
