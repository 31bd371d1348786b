import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { errorTypes } from '../errors.js';
import { type MigrateCollectionsOptions, parseMigrateCollections } from '../group-options.js';
import type { GroupInspection, Inspection } from '../inspection.js';
import { parseMigrateCollection } from '../options.js';
import { acceptInput, bareFailure, causeOf } from './failure.js';
import { step } from './steps.js';

/** Times that looking is begun anew when something else than an unreachable side stops it. */
const ATTEMPTS = { retry: { initialInterval: '1s', maximumAttempts: 3 } } as const;

/**
 * Looks at both sides as `migrateCollection` or `migrateCollections` does before it begins, and writes nothing.
 * @param input the same as that of `migrateCollection`, or with `namespaces` that of `migrateCollections`.
 * @returns everything that was found, also where a migration may not start.
 */
export async function preflight(input?: unknown): Promise<Inspection | GroupInspection> {
  if (typeof input === 'object' && input !== null && 'namespaces' in input) {
    return lookAtAll(acceptInput(parseMigrateCollections(input, 'preflight')));
  }
  const options = acceptInput(parseMigrateCollection(input, 'preflight'));
  const { workflowId, runId } = workflowInfo();
  try {
    return await step('inspect', { overrides: ATTEMPTS })({ workflowId, runId, options });
  } catch (error) {
    throw bareFailure(error);
  }
}

async function lookAtAll(options: MigrateCollectionsOptions): Promise<GroupInspection> {
  const { workflowId, runId } = workflowInfo();
  try {
    const found = await step('resolveCollections', { overrides: ATTEMPTS })({
      workflowId,
      runId,
      options,
    });
    return { mayStart: true, errors: [], ...found };
  } catch (error) {
    const cause = causeOf(error);
    if (!(cause instanceof ApplicationFailure) || cause.type !== errorTypes.preflightFailed) {
      throw bareFailure(error);
    }
    const errors = (cause.details ?? []).map(String);
    return { mayStart: false, errors, collections: [], leftOut: [], warnings: [] };
  }
}
