import { expect, it, vi } from 'vitest';
import { WorkflowNotFoundError } from '@temporalio/client';
import { History } from '../../../src/cli/history.js';
import type { Session } from '../../../src/cli/session.js';
import { takenAs } from '../../helpers/taken-as.js';

const started = { eventId: 1, workflowExecutionStartedEventAttributes: { identity: 'ann@desk' } };
const canceled = { eventId: 2, workflowExecutionCanceledEventAttributes: {} };

function historyWith(describe: () => object) {
  const fetchHistory = vi.fn(async () => ({ events: [started] as object[] }));
  const session = takenAs<Session>({
    call: async (run: () => unknown) => run(),
    client: { workflow: { getHandle: () => ({ describe: async () => describe(), fetchHistory }) } },
  });
  return { fetchHistory, history: new History(session, 'migrate:source:a.b', 'run') };
}

it('is fetched when it has become longer, and tells of new attempts all the same', async () => {
  const known: object = { historyLength: 1, closeTime: undefined, raw: {} };
  const answers = [
    known,
    { ...known, raw: { pendingActivities: [{ activityId: 'replay', lastFailure: {} }] } },
    { ...known, historyLength: 2, closeTime: new Date(0) },
  ];
  const { history, fetchHistory } = historyWith(() => answers.shift() ?? known);
  expect(await history.read()).toMatchObject({ isOver: false, told: [{ what: 'migration' }] });
  expect(await history.read()).toMatchObject({
    isOver: false,
    told: [{ what: 'migration' }, { what: 'replay', kind: 'failure' }],
  });
  expect(fetchHistory).toHaveBeenCalledTimes(1);
  fetchHistory.mockResolvedValue({ events: [started, canceled] });
  expect(await history.read()).toMatchObject({
    isOver: true,
    told: [{ what: 'migration' }, { text: 'canceled' }],
  });
  expect(fetchHistory).toHaveBeenCalledTimes(2);
});

it('is fetched again where Temporal did not answer', async () => {
  const { history, fetchHistory } = historyWith(() => ({ historyLength: 1, raw: {} }));
  fetchHistory.mockRejectedValueOnce(new Error('away'));
  await expect(history.read()).rejects.toThrow('away');
  expect((await history.read()).told).toHaveLength(1);
});

it('may be kept no longer', async () => {
  const { history } = historyWith(() => {
    throw new WorkflowNotFoundError('gone', 'migrate:source:a.b', 'run');
  });
  await expect(history.read()).rejects.toMatchObject({ exit: 'notFound' });
});
