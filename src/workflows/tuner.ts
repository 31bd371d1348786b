import { condition } from '@temporalio/workflow';
import type { Migration } from '../migration.js';
import { limitsOf, type Settings, settingsOf, type Tuning } from '../tuning.js';
import { Lanes } from './lanes.js';
import type { MigrationState } from './status.js';
import { step } from './steps.js';

/** Makes what was tuned take effect. */
export class Tuner {
  /** The lanes of the copy. */
  readonly lanes: Lanes;
  readonly #options: Migration['options'];
  readonly #state: Pick<MigrationState, 'tuned'>;

  constructor(options: Migration['options'], state: Pick<MigrationState, 'tuned'>) {
    this.#options = options;
    this.#state = state;
    this.lanes = new Lanes(options.parallelPartitions);
  }

  /** After every change of the state. */
  apply(): void {
    this.lanes.resize(this.#settings().parallelPartitions);
  }

  /** The migration for activities that begin now. */
  tuned(migration: Migration): Migration {
    if (!this.#state.tuned) return migration;
    const { parallelPartitions, gzip } = this.#settings();
    return { ...migration, options: { ...migration.options, parallelPartitions, gzip } };
  }

  /** Hands limits to the activities that run, one after another. Does not return: it is cancelled. */
  async keepLimits(migration: Migration): Promise<never> {
    for (let handed: Tuning | undefined; ;) {
      await condition(() => this.#state.tuned !== handed);
      handed = this.#state.tuned;
      await step('tune')(migration, limitsOf(this.#settings()));
    }
  }

  #settings(): Settings {
    return settingsOf(this.#options, this.#state.tuned);
  }
}
