import { parseArgs } from 'node:util';
import { nearest } from '../src/nearest.js';

/** How the demo is to run. */
export interface DemoOptions {
  /** Documents to load before the migration starts. */
  readonly docs: number;
  /** How the migration copies: through mongodump and mongorestore, or from server to server. */
  readonly copy: 'dump' | 'direct';
  /** Writes per second, on the source until the cutover and on the target from then on. */
  readonly rate: number;
  /** Whether everything stays up after the proof, until Ctrl-C. */
  readonly keep: boolean;
  /** Whether only the help is wanted. */
  readonly help: boolean;
}

/** The command line cannot be understood; the message says what to write instead. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** What `--help` prints. */
export const helpText = `Migrates a live collection before your eyes, on servers of its own.

  npm run demo -- [options]

  --docs N        documents to load first, 100 to 10000000 (as is: 200000)
  --copy WAY      dump (as is): mongodump and mongorestore; direct: no files
  --rate N        writes per second throughout, 1 to 10000 (as is: 500)
  --keep          leave everything up until Ctrl-C, with commands to try
  --help          this text

Exits with 0 only if both sides are equal byte for byte.`;

const types = { docs: 'string', copy: 'string', rate: 'string', keep: 'boolean', help: 'boolean' };
const names = Object.keys(types);
const LIMITS = { docs: [100, 10_000_000], rate: [1, 10_000] } as const;

/** Reads the command line's arguments, those after `--`. @throws OptionError */
export function readOptions(args: readonly string[]): DemoOptions {
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      docs: { type: 'string' },
      copy: { type: 'string' },
      rate: { type: 'string' },
      keep: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  let options: DemoOptions = { docs: 200_000, copy: 'dump', rate: 500, keep: false, help: false };
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') throw stray(token.value);
    const { name, rawName, value } = token;
    switch (name) {
      case 'docs':
      case 'rate':
        options = { ...options, [name]: wholeNumber(name, value) };
        break;
      case 'copy':
        options = { ...options, copy: copyOf(value) };
        break;
      case 'keep':
      case 'help':
        if (value !== undefined) throw new OptionError(`--${name} takes no value`);
        options = { ...options, [name]: true };
        break;
      default:
        throw unknown(rawName);
    }
  }
  return options;
}

function wholeNumber(name: keyof typeof LIMITS, value: string | undefined): number {
  const [min, max] = LIMITS[name];
  // As people write them: 200000, 200_000 or 200,000.
  const number = /^\d[\d_,]*$/.test(value ?? '') ? Number(value?.replace(/[_,]/g, '')) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new OptionError(
    `--${name} takes a whole number from ${min} to ${max}, as in --${name} ${Math.max(min, 1000)}`,
  );
}

function copyOf(value: string | undefined): DemoOptions['copy'] {
  if (value === 'dump' || value === 'direct') return value;
  const near = value === undefined ? undefined : nearest(value, ['dump', 'direct'])[0];
  const hint = near === undefined ? '' : `; did you mean --copy ${near}?`;
  throw new OptionError(`--copy takes dump or direct${hint}`);
}

function unknown(rawName: string): OptionError {
  const [near] = nearest(rawName.replace(/^-+/, ''), names);
  const hint =
    near === undefined
      ? `known are ${names.map((name) => `--${name}`).join(', ')}`
      : `did you mean --${near}?`;
  return new OptionError(`unknown option ${rawName}; ${hint}`);
}

// npm takes options for its own unless they come after a bare --, and passes on only their values.
function stray(value: string): OptionError {
  return new OptionError(
    `"${value}" belongs to no option; options come after --, as in: npm run demo -- --docs 5000`,
  );
}
