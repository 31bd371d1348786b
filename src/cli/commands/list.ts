import { inParallel } from '../../in-parallel.js';
import { partsOf } from '../find-migration.js';
import { moment } from '../format.js';
import { nameOf } from '../next-step.js';
import { paint } from '../render-migration.js';
import { AT_ONCE } from '../session.js';
import { nameCell, renderTable } from '../table.js';
import { stateOf, type State } from '../view.js';
import {
  listMigrations,
  listWorkflows,
  type Listed,
  readInput,
  type WorkflowInput,
} from '../workflow-list.js';
import { type CommonOptions, openContext } from './context.js';

/** Options of `list`. */
export interface ListOptions extends CommonOptions {
  readonly running?: boolean;
  readonly all?: boolean;
  readonly limit: number;
}

/** One line of the list; `csm list --json` prints an array of them. */
export interface Entry {
  readonly workflowId: string;
  readonly runId: string;
  readonly type: string;
  /** `completed` holds those too that were aborted: their workflow has ended in good order. */
  readonly state: State;
  readonly source: string | null;
  readonly namespace: string | null;
  readonly target: string | null;
  readonly targetNamespace: string | null;
  /** Namespaces and patterns, where it is a group. */
  readonly namespaces: readonly string[] | null;
  /** Workflow id of the group that it belongs to. */
  readonly group: string | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
}

/** `csm list`: migrations that Temporal knows, running and ended; needs no worker. */
export async function list({ running, all, limit, ...options }: ListOptions): Promise<void> {
  const { session, output } = await openContext(options);
  const filter = { ...(running && { running }), limit };
  const listed = await (all ? listWorkflows(session, filter) : listMigrations(session, filter));
  const entries = await inParallel(listed, AT_ONCE, async (each) =>
    entryOf(each, await readInput(session, each.workflowId, each.runId)),
  );
  output.data(entries);
  if (entries.length === 0) {
    output.say(running ? 'no migration is running' : 'Temporal knows of no migration');
    return;
  }
  const width = output.isLive ? output.columns : Number.POSITIVE_INFINITY;
  const { colors } = output;
  output.say(
    ...renderTable(
      entries,
      [
        { head: 'MIGRATION', cell: ({ workflowId }) => nameCell(nameOf(workflowId), width) },
        { head: 'STATE', cell: ({ state }) => paint(state, state, colors) },
        { head: 'FROM', cell: ({ source }) => source ?? '', spare: 2 },
        { head: 'TO', cell: toCell, spare: 1 },
        ...(entries.some(({ group }) => group !== null)
          ? [
              {
                head: 'GROUP',
                cell: ({ group }: Entry) => (group === null ? '' : nameCell(nameOf(group), width)),
                spare: 4,
              },
            ]
          : []),
        { head: 'STARTED', cell: ({ startedAt }) => moment(startedAt) },
        {
          head: 'ENDED',
          cell: ({ endedAt }) => (endedAt === null ? '' : moment(endedAt)),
          spare: 3,
        },
      ],
      width,
    ),
  );
}

function entryOf(each: Listed, input: WorkflowInput | undefined): Entry {
  const parts = partsOf(each.workflowId);
  const namespaces = input?.namespaces ?? null;
  const namespace = namespaces ? null : (input?.namespace ?? parts?.namespace ?? null);
  return {
    workflowId: each.workflowId,
    runId: each.runId,
    type: each.type,
    state: stateOf(each.temporalStatus),
    source: input?.source ?? parts?.source ?? null,
    namespace,
    target: input?.target ?? null,
    targetNamespace: input?.targetNamespace ?? namespace,
    namespaces,
    group: input?.group ?? null,
    startedAt: each.startedAt,
    endedAt: each.endedAt,
  };
}

function toCell({ target, namespace, targetNamespace }: Entry): string {
  if (target === null) return '';
  return targetNamespace === namespace ? target : `${target}:${targetNamespace}`;
}
