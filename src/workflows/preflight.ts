import { workflowInfo } from '@temporalio/workflow';
import type { Inspection } from '../inspection.js';
import { parseMigrateCollection } from '../options.js';
import { acceptInput, bareFailure } from './failure.js';
import { step } from './steps.js';

/** Times that looking is begun anew when something else than an unreachable side stops it. */
const ATTEMPTS = { retry: { initialInterval: '1s', maximumAttempts: 3 } } as const;

/**
 * Looks at both sides as `migrateCollection` does before it begins, and writes nothing.
 * @param input the same as that of `migrateCollection`.
 * @returns everything that was found, also where a migration may not start.
 */
export async function preflight(input?: unknown): Promise<Inspection> {
  const options = acceptInput(parseMigrateCollection(input, 'preflight'));
  const { workflowId, runId } = workflowInfo();
  try {
    return await step('inspect', { overrides: ATTEMPTS })({ workflowId, runId, options });
  } catch (error) {
    throw bareFailure(error);
  }
}
