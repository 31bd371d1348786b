import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { z } from 'zod';
import { errorTypes } from '../errors.js';
import { groupLabel } from '../group.js';
import type { Metrics } from './metrics.js';

const sides = { source: z.string(), target: z.string() };

/** What most steps get first: a migration, a comparison, or a migration of many collections. */
const subject = z.object({
  options: z.union([
    z.object({ ...sides, namespace: z.string() }),
    z
      .object({ ...sides, namespaces: z.array(z.string()) })
      .transform(({ namespaces, ...both }) => ({ ...both, namespace: groupLabel(namespaces) })),
  ]),
  traits: z.object({ documents: z.number(), bytes: z.number() }).optional(),
});

const known: readonly string[] = Object.values(errorTypes);

/**
 * Counts the steps that run on this worker and those that fail. It has to come before the interceptor that
 * says what a failure means.
 */
export function metricsInterceptor(metrics: Metrics): ActivityInterceptorsFactory {
  return ({ info: { activityType: step } }) => ({
    inbound: {
      async execute(input, activityItself) {
        const { data } = subject.safeParse(input.args[0]);
        if (!data) return activityItself(input);
        const migration = metrics.of(data.options);
        migration.begin(step, data.traits);
        try {
          return await activityItself(input);
        } catch (error) {
          // A cancellation is none, and whatever else there is would be a label without bounds.
          if (error instanceof ApplicationFailure && error.category !== 'BENIGN') {
            migration.failed(step, known.includes(error.type ?? '') ? `${error.type}` : 'other');
          }
          throw error;
        } finally {
          migration.end(step);
        }
      },
    },
  });
}
