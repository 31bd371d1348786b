import { workflowTypes } from '../names.js';
import type { Session } from './session.js';

export type WorkflowType = (typeof workflowTypes)[number];

/** Temporal gives no more in one answer. */
const MOST_IN_PAGE = 1_000;
/** Groups that are looked for among all workflows; a deployment has a few. */
const MOST_GROUPS = 1_000;

/** One workflow, as Temporal lists it. */
export interface Listed {
  readonly workflowId: string;
  readonly runId: string;
  readonly type: string;
  /** Temporal's own name of the state: `RUNNING`, `COMPLETED`. */
  readonly temporalStatus: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** Workflow id of the one that has started it, which need not be one of ours. */
  readonly parent: string | null;
}

/** Which workflows to list. */
export interface ListFilter {
  readonly types?: readonly WorkflowType[];
  readonly running?: boolean;
  /** What is passed over does not count. */
  readonly isWanted?: (each: Listed) => boolean;
  readonly limit: number;
}

/**
 * Workflows of this product, the last that were started first. Beyond the limit those are left out that ended
 * first: Temporal gives what runs, and then what ended last.
 */
export async function listWorkflows(
  { client, call }: Session,
  { types = workflowTypes, running = false, isWanted, limit }: ListFilter,
): Promise<Listed[]> {
  const kinds = types.map((type) => `"${type}"`).join(', ');
  const query = `WorkflowType IN (${kinds})${running ? ' AND ExecutionStatus = "Running"' : ''}`;
  return call(async () => {
    const listed: Listed[] = [];
    // Where most may be passed over, few calls are to do.
    const pageSize = isWanted ? MOST_IN_PAGE : Math.min(limit, MOST_IN_PAGE);
    for await (const each of client.workflow.list({ query, pageSize })) {
      const entry: Listed = {
        workflowId: each.workflowId,
        runId: each.runId,
        type: each.type,
        temporalStatus: each.status.name,
        startedAt: each.startTime.toISOString(),
        endedAt: each.closeTime?.toISOString() ?? null,
        parent: each.parentExecution?.workflowId ?? null,
      };
      if (isWanted?.(entry) ?? true) listed.push(entry);
      if (listed.length >= limit) break;
    }
    return lastStartedFirst(listed);
  });
}

/**
 * Migrations of one collection and of many, in the order of `listWorkflows`. Collections of a group are in the
 * group, not beside it.
 */
export async function listMigrations(
  session: Session,
  { running = false, limit }: Pick<ListFilter, 'running' | 'limit'>,
): Promise<Listed[]> {
  const groups = await listWorkflows(session, {
    types: ['migrateCollections'],
    running,
    limit: MOST_GROUPS,
  });
  const ids = new Set(groups.map(({ workflowId }) => workflowId));
  const alone = await listWorkflows(session, {
    types: ['migrateCollection'],
    running,
    isWanted: ({ parent }) => parent === null || !ids.has(parent),
    limit,
  });
  return lastStartedFirst([...groups, ...alone].toSorted(byEnd).slice(0, limit));
}

function lastStartedFirst(listed: readonly Listed[]): Listed[] {
  return listed.toSorted((one, other) => other.startedAt.localeCompare(one.startedAt));
}

/** Temporal's own order: what runs, and then what ended last. */
function byEnd(one: Listed, other: Listed): number {
  const order = Number(one.endedAt !== null) - Number(other.endedAt !== null);
  return order || (other.endedAt ?? other.startedAt).localeCompare(one.endedAt ?? one.startedAt);
}

/** What a workflow was started with, as far as it says. */
export interface WorkflowInput {
  readonly source?: string;
  readonly target?: string;
  readonly namespace?: string;
  readonly targetNamespace?: string;
  /** Namespaces and patterns of a group. */
  readonly namespaces?: readonly string[];
  /** Workflow id of the group that the migration of a collection belongs to. */
  readonly group?: string;
}

/** What a workflow was started with, from the first event of its history; no worker is needed. */
export async function readInput(
  { connection, namespace, call }: Session,
  workflowId: string,
  runId: string,
): Promise<WorkflowInput | undefined> {
  const { history } = await call(() =>
    connection.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution: { workflowId, runId },
      maximumPageSize: 1,
    }),
  );
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  const [input, membership] = started?.input?.payloads ?? [];
  return readStart(decode(input?.data), decode(membership?.data));
}

/** The JSON of a payload; nothing where there is none, or something else. */
export function decode(data: Uint8Array | null | undefined): unknown {
  if (!data) return undefined;
  try {
    return JSON.parse(Buffer.from(data).toString()) as unknown;
  } catch {
    return undefined;
  }
}

function readStart(input: unknown, membership: unknown): WorkflowInput | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  const known = Object.entries(input).filter(
    ([name, value]) =>
      (['source', 'target', 'namespace', 'targetNamespace'].includes(name) &&
        typeof value === 'string') ||
      (name === 'namespaces' && Array.isArray(value)),
  );
  // `Membership` in src/group.ts: only a group gives it.
  const { workflowId: group } = (membership ?? {}) as { readonly workflowId?: unknown };
  return { ...Object.fromEntries(known), ...(typeof group === 'string' && { group }) };
}
