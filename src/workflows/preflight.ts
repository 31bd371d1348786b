import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { errorTypes } from '../errors.js';
import { type MigrateCollectionsOptions, parseMigrateCollections } from '../group-options.js';
import type { GroupInspection, Inspection } from '../inspection.js';
import { groupId } from '../names.js';
import { parseMigrateCollection } from '../options.js';
import { acceptInput, bareFailure, causeOf, payloadOf } from './failure.js';
import { step } from './steps.js';

/** Times that looking is begun anew when something else than an unreachable side stops it. */
const ATTEMPTS = { retry: { initialInterval: '1s', maximumAttempts: 3 } } as const;

/**
 * Looks at both sides as `migrateCollection` or `migrateCollections` does before it begins, and writes nothing.
 * @param given one: the same as that of `migrateCollection`, or with `namespaces` that of `migrateCollections`.
 * @returns everything that was found, also where a migration may not start.
 */
export async function preflight(...given: unknown[]): Promise<Inspection | GroupInspection> {
  const input = payloadOf(given);
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
  const look = {
    workflowId: groupOf(options),
    runId: workflowInfo().runId,
    options,
    answers: true,
  } as const;
  try {
    const { refusal, ...found } = await step('resolveCollections', { overrides: ATTEMPTS })(look);
    return {
      ...found,
      mayStart: !refusal,
      errors: refusal?.errors ?? [],
      errorsNotShown: refusal?.errorsNotShown ?? 0,
      collections: [...found.collections, ...(refusal?.unread ?? [])],
    };
  } catch (error) {
    const cause = causeOf(error);
    if (!(cause instanceof ApplicationFailure) || cause.type !== errorTypes.preflightFailed) {
      throw bareFailure(error);
    }
    // Where a server is away; and a worker that knows no other answer.
    const errors = (cause.details ?? []).map(String);
    return {
      mayStart: false,
      errors,
      errorsNotShown: 0,
      collections: [],
      leftOut: [],
      warnings: [],
    };
  }
}

/** The group that is looked for, which may have cut over some of its collections before. */
function groupOf({ source, namespaces }: MigrateCollectionsOptions): string {
  const [kind, ...rest] = workflowInfo().workflowId.split(':');
  return kind === 'preflight' && rest.length > 0
    ? ['migrate', ...rest].join(':')
    : groupId(source, namespaces);
}
