import type { MetricMeter } from '@temporalio/common';
import { definitions, type MetricDefinition } from './definitions.js';
import { type Instruments, MigrationMetrics } from './migration-metrics.js';

/** What tells one migration's metrics from another's. */
export interface Identified {
  readonly source: string;
  readonly target: string;
  readonly namespace: string;
}

/** The metrics of all migrations that this worker has a hand in. */
export class Metrics {
  readonly #meter: MetricMeter;
  readonly #migrations = new Map<string, MigrationMetrics>();

  /** @param meter where they go: that of Temporal's runtime serves them beside its own. */
  constructor(meter: MetricMeter) {
    this.#meter = meter;
  }

  of({ source, target, namespace }: Identified): MigrationMetrics {
    const key = JSON.stringify([source, target, namespace]);
    const found = this.#migrations.get(key);
    if (found) return found;
    const labelled = this.#meter.withTags({ source, target, collection: namespace });
    const made = new MigrationMetrics(instrumentsOf(labelled));
    this.#migrations.set(key, made);
    return made;
  }

  /** To be called every few seconds: some values change by time alone. */
  refresh(): void {
    for (const migration of this.#migrations.values()) migration.refresh();
  }
}

function instrumentsOf(meter: MetricMeter): Instruments {
  const gauge = ({ name, help }: MetricDefinition) => meter.createGauge(name, 'float', '', help);
  const counter = ({ name, help }: MetricDefinition) => meter.createCounter(name, '', help);
  const all = definitions;
  return {
    gauges: {
      phase: gauge(all.phase),
      lag: gauge(all.lag),
      unapplied: gauge(all.unapplied),
      bufferBytes: gauge(all.bufferBytes),
      bufferFull: gauge(all.bufferFull),
      oplogLeft: gauge(all.oplogLeft),
      stalled: gauge(all.stalled),
      refused: gauge(all.refused),
      shapeLeft: gauge(all.shapeLeft),
      differences: gauge(all.differences),
      sourceDocuments: gauge(all.sourceDocuments),
      sourceBytes: gauge(all.sourceBytes),
      stepsRunning: gauge(all.stepsRunning),
    },
    counters: {
      capturedEvents: counter(all.capturedEvents),
      capturedBytes: counter(all.capturedBytes),
      appliedChanges: counter(all.appliedChanges),
      copiedDocuments: counter(all.copiedDocuments),
      copiedBytes: counter(all.copiedBytes),
      verifiedDocuments: counter(all.verifiedDocuments),
      verifiedBytes: counter(all.verifiedBytes),
      stepFailures: counter(all.stepFailures),
    },
  };
}
