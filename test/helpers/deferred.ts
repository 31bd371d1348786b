/** A promise that somebody else settles. */
export interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
}

/** Makes a promise that its owner resolves. */
export function deferred(): Deferred {
  const settlers: (() => void)[] = [];
  const promise = new Promise<void>((settle) => {
    settlers.push(settle);
  });
  return { promise, resolve: () => settlers.forEach((settle) => settle()) };
}
