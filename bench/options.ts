import { parseArgs } from 'node:util';
import type { BenchCase, BenchOptions } from './case.js';
import { cases } from './cases/index.js';

/** What to measure, and where results go. */
export interface Order {
  /** In order. */
  readonly chosen: readonly { name: string; bench: BenchCase; options: BenchOptions }[];
  /** Only variants with this in their name. */
  readonly only: string;
  readonly json?: string | undefined;
  readonly chart?: string | undefined;
}

export const help = `Measures on servers of its own: each case's variants in turn, round after round.

  npm run bench -- [case …] [options]

  --quick         small collections and one round: whether it runs, not how fast it is
  --rounds N      how often each variant is measured
  --documents N   documents in the collection
  --rate N        writes per second while it is measured, where the case has writers
  --only TEXT     only variants whose name has this in it
  --against DIR   also measure the worker in DIR/dist/worker.js, of another state of this repository
  --json FILE     write the results there too
  --chart FILE    draw the ratios there, as SVG
  --profile DIR   write CPU profiles there, and flame graphs of them as SVG; figures are worse by it

BENCH_PEER_COPY names a program to be measured beside the copies; it is called with the source's URI, the
target's, database and collection, and has to end when all is copied.

Cases, all of them unless some are named:
${Object.entries(cases)
  .map(([name, { about }]) => `  ${name.padEnd(15)} ${about}`)
  .join('\n')}`;

const numbers = ['rounds', 'documents', 'rate'] as const;

/**
 * Reads the command line.
 * @returns nothing when only help is asked for.
 * @throws Error that says what is wrong.
 */
export function readOrder(args: readonly string[]): Order | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { quick: flag, rounds: text, documents: text, rate: text, only: text, against: text, json: text, chart: text, profile: text, help: { ...flag, short: 'h' } }, // prettier-ignore
  });
  if (values.help) return undefined;
  const given = numbers.flatMap((name): [string, number][] => {
    const value = values[name];
    if (value === undefined) return [];
    const number = Number(value);
    if (Number.isInteger(number) && number > 0) return [[name, number]];
    throw new Error(`--${name} takes a whole number above 0, not "${value}"`);
  });
  const { against, profile, only = '', json, chart } = values;
  const names = positionals.length > 0 ? positionals : Object.keys(cases);
  const chosen = names.map((name) => {
    const bench = cases[name];
    if (!bench) throw new Error(`"${name}" is no case; there are ${Object.keys(cases).join(', ')}`);
    const size = { ...bench.defaults, ...(values.quick && { ...bench.quick, rounds: 1 }) };
    const options = { ...size, ...Object.fromEntries(given), ...(against !== undefined && { against }), ...(profile !== undefined && { profile }) }; // prettier-ignore
    return { name, bench, options };
  });
  return { chosen, only, json, chart };
}
