import type { Session } from './session.js';

/** Workflow types of this product. */
export const workflowTypes = ['migrateCollection', 'verifyCollection', 'preflight'] as const;
export type WorkflowType = (typeof workflowTypes)[number];

/** One workflow, as Temporal lists it. */
export interface Listed {
  readonly workflowId: string;
  readonly runId: string;
  readonly type: string;
  /** Temporal's own name of the state: `RUNNING`, `COMPLETED`. */
  readonly temporalStatus: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
}

/** Which workflows to list. */
export interface ListFilter {
  readonly types?: readonly WorkflowType[];
  readonly running?: boolean;
  readonly limit: number;
}

/** Workflows of this product, the last that were started first. */
export async function listWorkflows(
  { client, call }: Session,
  { types = workflowTypes, running = false, limit }: ListFilter,
): Promise<Listed[]> {
  const kinds = types.map((type) => `"${type}"`).join(', ');
  const query = `WorkflowType IN (${kinds})${running ? ' AND ExecutionStatus = "Running"' : ''}`;
  return call(async () => {
    const listed: Listed[] = [];
    for await (const each of client.workflow.list({ query, pageSize: Math.min(limit, 1000) })) {
      listed.push({
        workflowId: each.workflowId,
        runId: each.runId,
        type: each.type,
        temporalStatus: each.status.name,
        startedAt: each.startTime.toISOString(),
        endedAt: each.closeTime?.toISOString() ?? null,
      });
      if (listed.length >= limit) break;
    }
    return listed;
  });
}

/** The two sides that a workflow was started with, as far as it says. */
export interface WorkflowInput {
  readonly source?: string;
  readonly target?: string;
  readonly namespace?: string;
  readonly targetNamespace?: string;
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
  return readSides(decode(started?.input?.payloads?.[0]?.data));
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

function readSides(input: unknown): WorkflowInput | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  const known = Object.entries(input).filter(
    ([name, value]) =>
      ['source', 'target', 'namespace', 'targetNamespace'].includes(name) &&
      typeof value === 'string',
  );
  return Object.fromEntries(known);
}
