import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Milliseconds within which the same signal arrives twice when a terminal and npm both pass it on. */
const SAME_SIGNAL_MS = 1_000;

/** A signal asked the demo to end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** As a shell gives the status of a program that a signal ended. */
  readonly exitCode: number;

  constructor(signal: (typeof SIGNALS)[number]) {
    super(signal);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Takes the signals that would end this process at once.
 *
 * @param onAgain called for another one, by a person who does not want to wait
 * @returns a promise that rejects with `Interrupted` at the first one
 */
export function interruption(onAgain: () => void): Promise<never> {
  const interrupted = new Promise<never>((_, reject) => {
    let receivedAt: number | undefined;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (receivedAt === undefined) {
          receivedAt = performance.now();
          reject(new Interrupted(signal));
        } else if (performance.now() - receivedAt > SAME_SIGNAL_MS) {
          onAgain();
        }
      });
    }
  });
  interrupted.catch(() => {});
  return interrupted;
}
