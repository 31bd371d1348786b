/** A flag of a command line; one without a value stands alone, one whose value is `undefined` is left out. */
export type Flag =
  readonly [name: string] | readonly [name: string, value: string | number | undefined];

/** A command line's arguments from its flags: `[['--port', 1], ['--quiet']]` becomes `['--port', '1', '--quiet']`. */
export function flags(...all: readonly Flag[]): string[] {
  return all.flatMap((flag) => {
    if (flag.length === 1) return [flag[0]];
    const [name, value] = flag;
    return value === undefined ? [] : [name, String(value)];
  });
}
