import { expect, it } from 'vitest';
import type { Session } from '../../../src/cli/session.js';
import { listMigrations, listWorkflows } from '../../../src/cli/workflow-list.js';
import { takenAs } from '../../helpers/taken-as.js';

/** One that was started and has ended in these minutes. */
function entry(
  workflowId: string,
  startedAt: number,
  endedAt?: number,
  type = 'migrateCollection',
) {
  return {
    workflowId,
    runId: 'run',
    type,
    status: { name: endedAt === undefined ? 'RUNNING' : 'COMPLETED' },
    startTime: new Date(startedAt * 60_000),
    closeTime: endedAt === undefined ? undefined : new Date(endedAt * 60_000),
    parentExecution: undefined,
  };
}

/** In Temporal's own order: what runs, and then what ended last. */
const all = [
  entry('runs', 3),
  entry('long', 1, 9),
  entry('group', 2, 8, 'migrateCollections'),
  entry('short', 5, 6),
];

const session = takenAs<Session>({
  call: async (run: () => unknown) => run(),
  client: {
    workflow: {
      async *list({ query }: { query: string }) {
        yield* all.filter(({ type }) => query.includes(`"${type}"`));
      },
    },
  },
});

it.each([
  [4, ['short', 'runs', 'group', 'long']],
  [3, ['runs', 'group', 'long']],
  [2, ['runs', 'long']],
])(
  'lists the last that were started first, and leaves out what ended first: %i',
  async (limit, ids) => {
    for (const listed of [
      await listWorkflows(session, { limit }),
      await listMigrations(session, { limit }),
    ]) {
      expect(listed.map(({ workflowId }) => workflowId)).toEqual(ids);
    }
  },
);
