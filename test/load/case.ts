import type { Environment, EnvironmentOptions } from '../e2e/environment.js';
import type { Window } from './meter.js';

/** What the command line says. */
export interface LoadOptions {
  /** Changes that the writers make. */
  readonly changes: number;
  /** Documents of each collection before its migration. */
  readonly documents: number;
  /** Collections, each with a migration of its own. */
  readonly migrations: number;
}

/** What came of a load. */
export interface LoadOutcome {
  /** What is wrong, a line each; empty when all is as it has to be. */
  readonly problems: readonly string[];
  readonly windows: readonly Window[];
}

/** One kind of load. */
export interface LoadCase {
  /** One line for `--help`. */
  readonly about: string;
  readonly defaults: LoadOptions;
  readonly environment?: EnvironmentOptions;
  readonly run: (
    environment: Environment,
    options: LoadOptions,
    say: (line: string) => void,
  ) => Promise<LoadOutcome>;
}

/** Memory of the worker above which a load has failed, in MB. */
export const MOST_MB = 400;
