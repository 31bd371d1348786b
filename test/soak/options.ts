import { parseArgs } from 'node:util';

/** What a soak is to be. */
export interface SoakOptions {
  readonly seed: number;
  /** Least time of changes; they go on until every migration is ready. */
  readonly minutes: number;
  readonly copy: 'dump' | 'direct';
  /** Documents of the large collection before the migration; the others have a twentieth each. */
  readonly documents: number;
  /** Changes per second, of all collections together. */
  readonly rate: number;
  /** Whether the worker is ended and started again at moments of the seed's choice. */
  readonly restarts: boolean;
  /** Collections beside the large one; 4 when left out. */
  readonly specials?: number;
  /**
   * Whether indexes and options change too, and capped collections may age: not when left out, since a migration
   * that stands still for longer than one takes to age is not equal for a while.
   */
  readonly everything?: boolean;
  /** Whether updates make empty timestamps at the top; they do when left out. */
  readonly emptyTimestamps?: boolean;
}

/** What `--help` prints. */
export const helpText = `Migrates seeded collections under seeded changes, and compares byte for byte.

  npm run soak -- [options]

  --seed N        what decides collections, documents and changes (as is: 1)
  --minutes M     least time of changes (as is: 3)
  --copy WAY      dump (as is) or direct
  --documents N   documents of the large collection (as is: 100000)
  --rate N        changes per second of all collections together (as is: 500)
  --restarts      end the worker at seeded moments, and start another
  --help          this text

Exits with 0 only if all is equal.`;

/** Reads the command line's arguments, nothing when help is wanted. @throws Error that says what is wrong */
export function readOptions(args: readonly string[]): SoakOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '3' },
      copy: { type: 'string', default: 'dump' },
      documents: { type: 'string', default: '100000' },
      rate: { type: 'string', default: '500' },
      restarts: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { copy, restarts } = values;
  if (copy !== 'dump' && copy !== 'direct') throw new Error('--copy takes dump or direct');
  return {
    seed: numberOf('seed', values.seed, 0),
    minutes: numberOf('minutes', values.minutes, 0.01),
    copy,
    documents: numberOf('documents', values.documents, 100),
    rate: numberOf('rate', values.rate, 1),
    restarts,
    everything: true,
  };
}

/** The command that does the same again. */
export function commandOf({ seed, minutes, copy, documents, rate, restarts }: SoakOptions): string {
  return (
    `npm run soak -- --seed ${seed} --minutes ${minutes} --copy ${copy} --documents ${documents} ` +
    `--rate ${rate}${restarts ? ' --restarts' : ''}`
  );
}

/** Reads the number of an option. @throws Error that says from what number on it may be */
export function numberOf(name: string, value: string, least: number): number {
  const number = Number(value);
  if (value.trim() !== '' && number >= least) return number;
  throw new Error(`--${name} takes a number from ${least}`);
}
