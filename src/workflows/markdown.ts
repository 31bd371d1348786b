/** A number as people read it: `12,345`. */
export function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** A table of names and values, without heads. */
export function pairTable(rows: readonly (readonly [string, string])[]): string {
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join(
    '\n',
  );
}
