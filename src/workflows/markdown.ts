/** A number as people read it: `12,345`. */
export function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** Seconds as people read them, in the largest unit of which there are at least two: `90 s`, `5 min`, `31 days`. */
export function duration(seconds: number): string {
  const units = [
    ['days', 86_400],
    ['hours', 3_600],
    ['min', 60],
  ] as const;
  const [unit, size] = units.find(([, each]) => seconds >= 2 * each) ?? ['s', 1];
  return `${number(Math.floor(seconds / size))} ${unit}`;
}

/** Hours of the source's history. The status says 31 days for that or more. */
export function historyLeft(hours: number): string {
  return `${hours >= 744 ? '31 days or more' : duration(hours * 3_600)} at the source`;
}

/** After the cells of a table but the last: the UI leaves no room between columns. */
export const GAP = '\u2003';

/** A table. A head that begins with `>` is that of numbers, which stand at the right. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(`${GAP} | `)} |`;
  const isNumber = heads.map((head) => head.startsWith('>'));
  return [
    line(heads.map((head) => head.replace(/^>/, ''))),
    `|${isNumber.map((is) => (is ? '---:' : ':---')).join('|')}|`,
    ...rows.map(line),
  ].join('\n');
}

/** A table of names and values, without heads. */
export function pairTable(rows: readonly (readonly [string, string])[]): string {
  return table(['', ''], rows);
}

/** A name or sentence in which nothing is formatting. */
export function plain(text: string): string {
  return text.replaceAll(/[\\`*[\]<|]/g, String.raw`\$&`);
}

/** What a workflow waits for, and where the UI has the form for it. */
export function nextLine(waitingFor: string | null): string {
  if (waitingFor === null) return '';
  const [, name] = /^(\w+) \(update or signal\)$/.exec(waitingFor) ?? [];
  const first = name === 'cutover' ? 'Stop the writers, then open' : 'Open';
  const form =
    name === undefined ? '' : ` ${first} **More Actions**, **Send an Update**, \`${name}\`.`;
  return `**Next:** it waits for ${plain(waitingFor)}.${form}`;
}
