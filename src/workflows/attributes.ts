import { sleep, upsertSearchAttributes } from '@temporalio/workflow';
import type { Migration } from '../migration.js';
import { searchAttributes } from '../search-attributes.js';
import { isFinal } from './phases.js';
import type { MigrationState } from './status.js';
import { step } from './steps.js';

/**
 * Rest after the problem has changed, in minutes: each change costs about ten events of the history, and
 * one that comes and goes must not fill it. Twice as long each time, until one has lasted for so long.
 */
const REST_MINUTES = { first: 0.2, longest: 60 } as const;

/** Keeps a migration's or a group's search attributes as its state is. Only for where they are registered. */
export class Attributes {
  readonly #state: Pick<MigrationState, 'phase'>;
  #phase: string | undefined;
  #problem: string | null = null;

  constructor(
    { source, target, namespace }: Pick<Migration['options'], 'source' | 'target' | 'namespace'>,
    state: Pick<MigrationState, 'phase'>,
  ) {
    this.#state = state;
    upsertSearchAttributes([
      { key: searchAttributes.namespace, value: namespace },
      { key: searchAttributes.source, value: source },
      { key: searchAttributes.target, value: target },
    ]);
    this.showPhase();
  }

  /** After every change of the state. */
  showPhase(): void {
    const { phase } = this.#state;
    if (phase === this.#phase) return;
    this.#phase = phase;
    upsertSearchAttributes([{ key: searchAttributes.phase, value: phase }]);
    if (isFinal(phase)) this.#showProblem(null);
  }

  /** Follows what is wrong. Does not return: it is cancelled. */
  async followProblem(migration: Migration): Promise<never> {
    let rest: number = REST_MINUTES.first;
    for (;;) {
      const since = Date.now();
      this.#showProblem(await step('untilProblemChanges')(migration, this.#problem));
      const isRare = Date.now() - since > REST_MINUTES.longest * 60_000;
      rest = isRare ? REST_MINUTES.first : Math.min(2 * rest, REST_MINUTES.longest);
      await sleep(rest * 60_000);
    }
  }

  #showProblem(problem: string | null): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    upsertSearchAttributes([{ key: searchAttributes.problem, value: problem }]);
  }
}
