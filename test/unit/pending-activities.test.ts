import type { Client } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { heartbeatIn, problemIn, readPending, troubleIn } from '../../src/pending-activities.js';
import { takenAs } from '../helpers/taken-as.js';

/** A client whose workflow has these activities. */
function clientWith(pendingActivities: readonly object[] | undefined): Client {
  const handle = { describe: async () => ({ raw: { pendingActivities } }) };
  return takenAs({ workflow: { getHandle: () => handle } });
}

const running = { activityId: 'capture', attempt: 1, state: 2 };
const failing = {
  activityId: 'replay',
  attempt: 4,
  state: 1,
  lastFailure: { message: 'cannot reach mongodb://u:s3cret@host/ (no primary)' },
  lastStartedTime: { seconds: '1767225600' },
};

const ago = (seconds: number) => ({ seconds: String(Math.floor(Date.now() / 1000) - seconds) });

async function find(...activities: readonly object[]) {
  const workflowId = 'migrate:source:shop.orders';
  return problemIn(await readPending(clientWith(activities), workflowId), workflowId);
}

describe('problemIn', () => {
  it('finds nothing wrong with what runs, or has failed a few times', async () => {
    expect(await find(running, { ...failing, attempt: 3 })).toBeUndefined();
    expect(await find({ ...running, attempt: 9 })).toBeUndefined();
    expect(await find()).toBeUndefined();
    expect(await readPending(clientWith(undefined), 'x')).toEqual([]);
  });

  it('tells what fails again and again, without secrets', async () => {
    const problem = await find(running, failing);
    expect(problem?.what).toContain('the activity replay fails, attempt 4');
    expect(problem?.what).toContain('no primary');
    expect(problem?.what).not.toContain('s3cret');
    expect(problem?.since).toBe('2026-01-01T00:00:00.000Z');
  });

  it('tells what is lost again and again although it runs for a while each time', async () => {
    const lost = { message: 'activity Heartbeat timeout', timeoutFailureInfo: {} };
    const stuck = { ...failing, activityId: 'restore-23', state: 2, lastFailure: lost };
    const named = (name: string, seconds: number) => ({
      ...stuck,
      activityType: { name },
      lastStartedTime: ago(seconds),
    });
    expect((await find(named('restore', 100)))?.what).toContain('restore-23 fails, attempt 4');
    expect(await find(named('restore', 300))).toBeUndefined();
    // Of what goes on for days, it is workers that have died.
    expect(await find(named('capture', 100))).toBeUndefined();
  });

  it('tells what fails again and again although it works for long each time', async () => {
    const named = (name: string, seconds: number) => ({
      ...failing,
      activityId: `${name}-1`,
      state: 2,
      activityType: { name },
      lastStartedTime: ago(seconds),
    });
    expect(await find(named('restore', 600))).toMatchObject({
      what: expect.stringContaining('restore-1 fails, attempt 4'),
      todo: expect.stringContaining('runs once more'),
    });
    expect(await find(named('restore', 1_900))).toBeUndefined();
    // It goes on from where the one before it has ended.
    expect(await find(named('replay', 20))).toBeUndefined();
  });

  it.each([4, 5, 'PAUSED', 'PAUSE_REQUESTED'])(
    'tells what is paused, and how to go on: %s',
    async (state) => {
      const problem = await find({ ...running, state }, failing);
      expect(problem).toMatchObject({
        what: expect.stringContaining('capture is paused'),
        todo: 'temporal activity unpause -w migrate:source:shop.orders -a capture',
      });
    },
  );
});

it('problemIn says which worker to start when none takes a restore', async () => {
  expect(await find(running, waiting(90))).toMatchObject({
    what: 'the activity restore-0 waits for a worker that takes it',
    since: expect.any(String),
    todo: expect.stringContaining('WORKER_HOST'),
  });
});

it('heartbeatIn gives the last heartbeat of the activity of that name', async () => {
  const progress = { done: 5, total: 10, elapsedSeconds: 3 };
  const data = Buffer.from(JSON.stringify({ doing: 'building indexes', progress }));
  const building = { activityId: 'buildIndexes', heartbeatDetails: { payloads: [{ data }] } };
  const pending = await readPending(clientWith([running, building]), 'x');
  expect(heartbeatIn(pending, 'buildIndexes')).toMatchObject({ progress });
  expect(heartbeatIn(pending, 'capture')).toBeUndefined();
});

/** An activity that was scheduled so many seconds ago. */
function waiting(seconds: number) {
  const scheduledTime = { seconds: String(Math.floor(Date.now() / 1000) - seconds) };
  return { activityId: 'restore-0', attempt: 1, state: 1, scheduledTime };
}

describe('troubleIn', () => {
  const named = (activity: object) => ({ ...activity, activityType: { name: 'copyPartition' } });
  it.each([
    ['nothing', [running], undefined],
    ['nothing of a few tries', [named({ ...failing, attempt: 3 })], undefined],
    [
      'what fails, the same at each try',
      [running, named({ ...failing, attempt: 9 })],
      'copyPartition fails',
    ],
    ['what is paused', [named({ ...running, state: 4 })], 'copyPartition is paused'],
    ['nothing of what has just been scheduled', [named(waiting(5))], undefined],
    ['what no worker takes', [running, named(waiting(90))], 'copyPartition waits for a worker'],
  ])('tells %s', async (_, activities, expected) => {
    expect(troubleIn(await readPending(clientWith(activities), 'x'))).toBe(expected);
  });
});
