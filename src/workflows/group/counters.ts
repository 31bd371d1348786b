import type { MetricCounter } from '@temporalio/common';
import { identifyGroup } from '../../group.js';
import type { MigrateCollectionsOptions } from '../../group-options.js';
import { workflowCounters } from '../counters.js';
import type { Phase } from '../phases.js';
import type { GroupState } from './state.js';

/**
 * Counts what only the workflow of a group knows, under the group's name. Nothing is counted again when a
 * worker replays it.
 */
export class GroupCounters {
  readonly #refusals: MetricCounter;
  readonly #ended: MetricCounter;
  #refused: GroupState['refused'];

  constructor(options: MigrateCollectionsOptions) {
    const { refusals, ended } = workflowCounters(identifyGroup(options));
    this.#refusals = refusals;
    this.#ended = ended;
  }

  /** After every change of the state. */
  look({ refused }: Pick<GroupState, 'refused'>): void {
    if (refused === this.#refused) return;
    this.#refused = refused;
    // Once for all collections that have the same to say: one cutover is one alert.
    const codes = new Set(refused?.blockers.map(({ code }) => code));
    codes.delete('more');
    for (const code of codes) this.#refusals.add(1, { code });
  }

  ended(phase: Phase): void {
    this.#ended.add(1, { phase });
  }
}
