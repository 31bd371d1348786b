import { expect, it } from 'vitest';
import { addressOf } from '../../../src/cli/commands/messages.js';
import { Output } from '../../../src/cli/output.js';
import type { Session } from '../../../src/cli/session.js';
import { takenAs } from '../../helpers/taken-as.js';

/** Nobody but Temporal itself is there to ask. */
function contextWith(described: object) {
  const call = async <T>(run: () => Promise<T>) => run();
  const workflow = { getHandle: () => ({ describe: async () => described }) };
  const session = takenAs<Session>({ call, client: { workflow } });
  return { session, output: Output.for({ json: false, isTerminal: false }) };
}

const found = {
  workflowId: 'migrate:source:a.b',
  runId: 'run',
  type: 'migrateCollection',
  taskQueue: 'changestream-migration',
};

it('is sent to a migration that runs', async () => {
  expect(await addressOf(contextWith(found), 'a.b', 'source', 'abort')).toEqual({
    workflowId: found.workflowId,
    runId: 'run',
    isGroup: false,
  });
});

it('is not sent where it waits on a queue that no worker serves', async () => {
  const lost = contextWith({ ...found, taskQueue: 'changestream-migrations' });
  await expect(addressOf(lost, 'a.b', 'source', 'abort')).rejects.toMatchObject({
    exit: 'noWorker',
    message: expect.stringContaining('was started on task queue changestream-migrations'),
  });
});

it('comes too late where it is over, which no worker has to say', async () => {
  const over = contextWith({ ...found, closeTime: new Date() });
  await expect(addressOf(over, 'a.b', 'source', 'abort')).rejects.toMatchObject({
    exit: 'refused',
    message: 'abort comes too late: the migration is over',
    todo: ['csm status a.b'],
  });
});
