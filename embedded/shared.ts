/** `work`, but callers at the same time share one run of it, and its arguments are the first caller's. */
export function shared<A, T>(work: (argument: A) => Promise<T>): (argument: A) => Promise<T> {
  let running: Promise<T> | undefined;
  return (argument) => {
    running ??= work(argument).finally(() => {
      running = undefined;
    });
    return running;
  };
}
