/** One line to show a person who waits: `mongod 6.0.5: downloading (42 MB), once`. */
export interface Progress {
  /** What is being obtained or started, with its version where it is known. */
  readonly what: string;
  /** What happens to it now; one line of plain text. */
  readonly message: string;
}

/** Told of every step; it must not throw. */
export type OnProgress = (progress: Progress) => void;

/** An `OnProgress` that tells nobody. */
export const silent: OnProgress = () => {};

const HEARTBEAT_MS = 10_000;

/**
 * Does `work` and says every ten seconds that it still goes on, so that a slow network is not taken for a hang.
 *
 * @param message what is being done, as in `downloading (42 MB), once`
 * @returns what `work` returns; its errors pass through
 */
export async function withHeartbeat<T>(
  onProgress: OnProgress,
  what: string,
  message: string,
  work: () => Promise<T>,
): Promise<T> {
  const started = Date.now();
  const [verb] = message.split(' (');
  onProgress({ what, message });
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    onProgress({ what, message: `still ${verb}, ${seconds} s so far` });
  }, HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
