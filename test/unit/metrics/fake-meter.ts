import type { MetricMeter, MetricTags } from '@temporalio/common';
import { takenAs } from '../../helpers/taken-as.js';

/** A meter that keeps what it is told, by name and labels, as Prometheus would show it. */
export class FakeMeter {
  readonly values = new Map<string, number>();
  /** How often it was told something. */
  told = 0;

  /** As code under test takes it. */
  get meter(): MetricMeter {
    return this.#withTags({});
  }

  /** The last value of a gauge, or the sum of a counter; labels in the order of their names. */
  value(name: string, labels: MetricTags): number | undefined {
    return this.values.get(keyOf(name, labels));
  }

  #withTags(tags: MetricTags): MetricMeter {
    const tell = (name: string, more: MetricTags, change: (before: number) => number): void => {
      const key = keyOf(name, { ...tags, ...more });
      this.told += 1;
      this.values.set(key, change(this.values.get(key) ?? 0));
    };
    return takenAs({
      withTags: (more: MetricTags) => this.#withTags({ ...tags, ...more }),
      createGauge: (name: string) => ({
        set: (value: number, more: MetricTags = {}) => tell(name, more, () => value),
      }),
      createCounter: (name: string) => ({
        add: (value: number, more: MetricTags = {}) => tell(name, more, (before) => before + value),
      }),
    });
  }
}

function keyOf(name: string, labels: MetricTags): string {
  return `${name}${JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => a.localeCompare(b)))}`;
}
