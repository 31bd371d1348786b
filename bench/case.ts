import type { Environment } from '../test/e2e/environment.js';

/** What the command line says. */
export interface BenchOptions {
  readonly rounds: number;
  /** Size of the case: documents of its largest collection unless it says otherwise. */
  readonly documents: number;
  /** Writes per second while something is measured. */
  readonly rate: number;
  /** Folder with another built state of this repository, whose worker is measured too. */
  readonly against?: string;
  /** Folder for profiles of what is measured, which is slower by them. */
  readonly profile?: string;
}

/** Figures of one run by name, with the unit in the name: `downtimeMs`. */
export type Figures = Readonly<Record<string, number>>;

/** One of the things that are compared. */
export interface Variant {
  readonly name: string;
  /** Name of the one that it is divided by; the first of the case unless given. */
  readonly against?: string;
  /** Measures once, and leaves the servers as it found them. */
  readonly run: () => Promise<Figures>;
}

/** Something to measure. */
export interface BenchCase {
  /** One line for `--help`. */
  readonly about: string;
  readonly defaults: Omit<BenchOptions, 'against' | 'profile'>;
  /** What is less with `--quick`; one round always. */
  readonly quick: Partial<Omit<BenchOptions, 'against' | 'profile' | 'rounds'>>;
  /** The figure that the case is about, for the chart; higher is better unless it is a time. */
  readonly figure: string;
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

/** A whole number per second. */
export function perSecond(count: number, seconds: number): number {
  return Math.round(count / seconds);
}
