import type { Environment } from '../test/e2e/environment.js';

/** What the command line says. */
export interface BenchOptions {
  readonly rounds: number;
  readonly documents: number;
  /** Writes per second while something is measured. */
  readonly rate: number;
  /** Folder with another built state of this repository, whose worker is measured too. */
  readonly against?: string;
}

/** Figures of one run by name, with the unit in the name: `downtimeMs`. */
export type Figures = Readonly<Record<string, number>>;

/** One of the things that are compared. The first of a case is what the others are divided by. */
export interface Variant {
  readonly name: string;
  /** Measures once, and leaves the servers as it found them. */
  readonly run: () => Promise<Figures>;
}

/** Something to measure. */
export interface BenchCase {
  /** One line for `--help`. */
  readonly about: string;
  readonly defaults: Omit<BenchOptions, 'against'>;
  /** Loads what all variants need. */
  readonly prepare: (
    environment: Environment,
    options: BenchOptions,
  ) => Promise<readonly Variant[]>;
}

/** Workers to measure: this state's, and the other one's where it is given. */
export function workersOf({ against }: BenchOptions): { label: string; program: string }[] {
  const own = { label: '', program: 'dist/worker.js' };
  return against === undefined
    ? [own]
    : [{ label: 'reference, ', program: `${against}/dist/worker.js` }, own];
}
