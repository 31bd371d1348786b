/** Takes a fake for the whole of a large interface, or an answer for what the test goes on to check. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller has to say the type
export function takenAs<T>(value: unknown): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this is the one place for it
  return value as T;
}
