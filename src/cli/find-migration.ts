import { WorkflowNotFoundError, type WorkflowExecutionDescription } from '@temporalio/client';
import { workflowId, workflowTypes } from '../names.js';
import { CliError } from './cli-error.js';
import { nearest } from '../nearest.js';
import { listWorkflows, readInput, type WorkflowType } from './workflow-list.js';
import type { Session } from './session.js';

/** Workflows that a name may stand for; more are not looked through. */
const CANDIDATES = 1_000;
const BY_CONVENTION = /^(?:migrate|verify|preflight):([a-z][a-z0-9_]*):(.+)$/s;

/** The parts of a workflow id by convention, or nothing. */
export function partsOf(id: string): { source: string; namespace: string } | undefined {
  const [, source, namespace] = BY_CONVENTION.exec(id) ?? [];
  return source !== undefined && namespace !== undefined ? { source, namespace } : undefined;
}

const KINDS: Readonly<Record<WorkflowType, string>> = {
  migrateCollection: 'a migration of one collection',
  migrateCollections: 'a migration of many collections',
  verifyCollection: 'a comparison',
  preflight: 'a preflight',
};

/** A workflow type in words. */
function kindOf(type: string): string {
  return Object.entries(KINDS).find(([known]) => known === type)?.[1] ?? `a workflow ${type}`;
}

/** Workflow ids that a name on the command line may mean, the likeliest first. */
export function idsFor(name: string, source: string): string[] {
  const byNamespace = workflowId(source, name);
  return BY_CONVENTION.test(name) || !name.includes('.')
    ? [name, byNamespace]
    : [byNamespace, name];
}

/**
 * The workflow that a name stands for: a namespace of `source`, or a workflow id.
 * @param types those that the command can do something with.
 * @throws CliError notFound with the nearest names, usage when it is something else
 */
export async function findMigration(
  session: Session,
  name: string,
  source: string,
  types: readonly WorkflowType[] = workflowTypes,
): Promise<WorkflowExecutionDescription> {
  for (const id of idsFor(name, source)) {
    const found = await describe(session, id);
    if (found && types.some((type) => type === found.type)) return found;
    if (found) {
      throw new CliError(
        'usage',
        `${id} is ${kindOf(found.type)}; this command takes ${types.map(kindOf).join(', or ')}`,
      );
    }
  }
  const workflows = await listWorkflows(session, { limit: CANDIDATES });
  const ids = workflows.map((each) => each.workflowId);
  const names = ids.flatMap((id) => {
    const parts = partsOf(id);
    return parts?.source === source && id.startsWith('migrate:') ? [parts.namespace] : [id];
  });
  const near = nearest(name, names);
  throw new CliError('notFound', `there is no migration "${name}" of source "${source}"`, {
    todo: [
      ...(near.length > 0 ? [`did you mean ${near.join(', or ')}?`] : []),
      '"csm list" shows all that Temporal knows',
    ],
    facts: { nearest: near },
  });
}

/**
 * The running migration into a collection, by the arguments of the old sync script, which do not name
 * the source.
 * @throws CliError notFound, or usage when there are several
 */
export async function findByTarget(
  session: Session,
  { target, namespace }: { target: string; namespace: string },
): Promise<string> {
  const running = await listWorkflows(session, { running: true, limit: CANDIDATES });
  const into: string[] = [];
  for (const { workflowId: id, runId, type } of running) {
    if (type !== 'migrateCollection') continue;
    const input = await readInput(session, id, runId);
    const names = [input?.namespace, input?.targetNamespace];
    if (input?.target === target && names.includes(namespace)) into.push(id);
  }
  const [only, ...others] = into;
  if (only === undefined) {
    const namespaces = running.flatMap((each) => partsOf(each.workflowId)?.namespace ?? []);
    const near = nearest(namespace, namespaces);
    throw new CliError('notFound', `no migration of ${namespace} to "${target}" is running`, {
      todo: [
        ...(near.length > 0 ? [`running are: ${near.join(', ')}`] : []),
        `start one with: csm init source ${target} <db> <collection>`,
      ],
      facts: { nearest: near },
    });
  }
  if (others.length > 0) {
    throw new CliError('usage', `several migrations of ${namespace} go to "${target}"`, {
      todo: [`name one by --id: ${into.join(', ')}`],
      facts: { workflowIds: into },
    });
  }
  return only;
}

/** A workflow by its id; nothing if there is none. */
export async function describe(
  { client, call }: Session,
  id: string,
  runId?: string,
): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await call(() => client.workflow.getHandle(id, runId).describe());
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** A workflow that was there before. @throws CliError notFound where Temporal keeps it no longer */
export async function describeKnown(
  session: Session,
  id: string,
  runId: string,
): Promise<WorkflowExecutionDescription> {
  const described = await describe(session, id, runId);
  if (described) return described;
  throw new CliError('notFound', `Temporal does not know ${id} any more`);
}
