import { expect, it, vi } from 'vitest';
import { WorkflowNotFoundError } from '@temporalio/client';
import { History } from '../../../src/cli/history.js';
import type { Session } from '../../../src/cli/session.js';
import { takenAs } from '../../helpers/taken-as.js';

const started = { eventId: 1, workflowExecutionStartedEventAttributes: { identity: 'ann@desk' } };
const canceled = { eventId: 2, workflowExecutionCanceledEventAttributes: {} };

function pageOf(events: object[], nextPageToken = Buffer.alloc(0)) {
  return { history: { events }, nextPageToken };
}

function historyWith(describe: () => object) {
  const fetchPage = vi.fn(async (_request: { nextPageToken?: Uint8Array }) => pageOf([started]));
  const session = takenAs<Session>({
    call: async (run: () => unknown) => run(),
    client: { workflow: { getHandle: () => ({ describe: async () => describe() }) } },
    connection: { workflowService: { getWorkflowExecutionHistory: fetchPage } },
  });
  return { fetchPage, history: new History(session, 'migrate:source:a.b', 'run') };
}

it('is fetched when it has become longer, and tells of new attempts all the same', async () => {
  const known: object = { historyLength: 1, closeTime: undefined, raw: {} };
  const answers = [
    known,
    { ...known, raw: { pendingActivities: [{ activityId: 'replay', lastFailure: {} }] } },
    { ...known, historyLength: 2, closeTime: new Date(0) },
  ];
  const { history, fetchPage } = historyWith(() => answers.shift() ?? known);
  expect(await history.read()).toMatchObject({ isOver: false, told: [{ what: 'migration' }] });
  expect(await history.read()).toMatchObject({
    isOver: false,
    told: [{ what: 'migration' }, { what: 'replay', kind: 'failure' }],
  });
  expect(fetchPage).toHaveBeenCalledTimes(1);
  fetchPage.mockImplementation(async ({ nextPageToken }) =>
    nextPageToken ? pageOf([canceled]) : pageOf([started], Buffer.from('second')),
  );
  expect(await history.read()).toMatchObject({
    isOver: true,
    told: [{ what: 'migration' }, { text: 'canceled' }],
  });
  expect(fetchPage).toHaveBeenCalledTimes(3);
});

it('is fetched again where Temporal did not answer', async () => {
  const { history, fetchPage } = historyWith(() => ({ historyLength: 1, raw: {} }));
  fetchPage.mockRejectedValueOnce(new Error('away'));
  await expect(history.read()).rejects.toThrow('away');
  expect((await history.read()).told).toHaveLength(1);
});

it('may be kept no longer', async () => {
  const { history } = historyWith(() => {
    throw new WorkflowNotFoundError('gone', 'migrate:source:a.b', 'run');
  });
  await expect(history.read()).rejects.toMatchObject({ exit: 'notFound' });
});
