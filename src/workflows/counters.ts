import type { MetricCounter } from '@temporalio/common';
import { metricMeter } from '@temporalio/workflow';
import { definitions, type MetricDefinition } from '../metrics/definitions.js';
import type { Identified } from '../metrics/metrics.js';
import { isFinal } from './phases.js';
import type { MigrationState } from './status.js';

/**
 * Counts what only the workflow knows: refused cutovers, and how a migration has ended. Nothing is counted
 * again when a worker replays it.
 */
export class Counters {
  readonly #refusals: MetricCounter;
  readonly #ended: MetricCounter;
  #refused: MigrationState['refused'];
  #isOver = false;

  constructor(identified: Identified) {
    const { refusals, ended } = workflowCounters(identified);
    this.#refusals = refusals;
    this.#ended = ended;
  }

  /** After every change of the state. */
  look({ refused, phase }: Pick<MigrationState, 'refused' | 'phase'>): void {
    if (refused !== this.#refused) {
      this.#refused = refused;
      for (const { code } of refused?.blockers ?? []) {
        // Its group counts what really spoke against it, once for all collections.
        if (code !== 'group') this.#refusals.add(1, { code });
      }
    }
    if (this.#isOver || !isFinal(phase)) return;
    this.#isOver = true;
    this.#ended.add(1, { phase });
  }
}

/** The metrics that workflows count themselves, under the labels of one collection or group. */
export function workflowCounters({ source, target, namespace }: Identified) {
  const meter = metricMeter.withTags({ source, target, collection: namespace });
  const counter = ({ name, help }: MetricDefinition) => meter.createCounter(name, '', help);
  return { refusals: counter(definitions.refusals), ended: counter(definitions.ended) };
}
