import type { Client } from '@temporalio/client';
import { expect, it } from 'vitest';
import type { Connections } from '../../src/connections.js';
import type { Group } from '../../src/group.js';
import { migrateCollectionsInput } from '../../src/group-options.js';
import { readGroup } from '../../src/live-group.js';
import { initialGroup, type MemberState } from '../../src/workflows/group/state.js';
import { buildGroupStatus } from '../../src/workflows/group/status.js';
import { takenAs } from '../helpers/taken-as.js';

const options = migrateCollectionsInput.parse({
  source: 'source',
  target: 'target',
  namespaces: ['shop.*'],
});
const group: Group = { workflowId: 'group', runId: 'run', options };

function copying(name: string, turn: boolean): MemberState {
  const namespace = `shop.${name}`;
  return {
    namespace,
    targetNamespace: namespace,
    documents: 1,
    bytes: 1,
    workflowId: name,
    runId: name,
    phase: 'copying',
    ...(turn && { turn }),
  };
}

/** Captures of these runs have just written. */
function connectionsOf(runIds: readonly string[], beside: object = {}): Connections {
  const capture = { epoch: 1, events: 0, buffered: 0, bytes: 0, rate: 0, at: new Date() };
  const replay = { events: 0, rate: 0 };
  const controls = runIds.map((runId) => ({ runId, capture, replay, ...beside }));
  const all = (documents: readonly object[]) => ({ toArray: async () => documents });
  const collection = { find: () => all(controls), aggregate: () => all([]) };
  return takenAs({ get: () => ({ db: () => ({ collection: () => collection }) }) });
}

it('finds out by their activities which collections are being indexed', async () => {
  const data = Buffer.from(JSON.stringify({ doing: 'building indexes' }));
  const building = { activityId: 'buildIndexes', heartbeatDetails: { payloads: [{ data }] } };
  const { client, asked } = clientOf((id) => (id === 'a' ? [building] : []));
  const members = [copying('a', true), copying('b', true), copying('c', false)];
  const state = { ...initialGroup('2026-01-01T00:00:00.000Z', undefined), members };
  const live = await readGroup(connectionsOf(['a', 'b', 'c']), client, group, state);
  if ('error' in live) throw new Error(live.error);
  expect(live.members['shop.a']?.indexing).toBe(true);
  expect(live.members['shop.b']?.indexing).toBeUndefined();
  // One that waits for its turn and writes is not asked for.
  expect(asked.toSorted()).toEqual(['a', 'b', 'group']);
});

function clientOf(pending: (id: string) => readonly object[]): { client: Client; asked: string[] } {
  const asked: string[] = [];
  const getHandle = (id: string) => ({
    describe: async () => {
      asked.push(id);
      return { raw: { pendingActivities: pending(id) } };
    },
  });
  return { client: takenAs<Client>({ workflow: { getHandle } }), asked };
}

it('says that a collection is paused which is so for itself', async () => {
  const activityOf = (name: string) => ({ activityId: name, activityType: { name }, state: 2 });
  const { client, asked } = clientOf((id) => [
    activityOf('capture'),
    ...(id === 'b' ? [activityOf('replay')] : []),
  ]);
  const long = new Date(Date.now() - 60_000);
  const connections = connectionsOf(['a', 'b'], { replay: { events: 0, rate: 0, at: long } });
  const members = ['a', 'b'].map((name) => ({ ...copying(name, true), phase: 'ready' as const }));
  const state = { ...initialGroup('2026-01-01T00:00:00.000Z', undefined), members };
  const status = buildGroupStatus(state, group, await readGroup(connections, client, group, state));
  expect(status.problems).toEqual([
    expect.objectContaining({ namespace: 'shop.a', what: expect.stringContaining('is paused') }),
  ]);
  expect(status.blockers).toContainEqual(
    expect.objectContaining({ namespace: 'shop.a', code: 'paused' }),
  );
  asked.length = 0;
  // Of a group that is paused nobody has to be asked.
  await readGroup(connections, client, group, { ...state, paused: true });
  expect(asked).toEqual(['group']);
});

it('says whose buffer is full', async () => {
  const at = new Date();
  const full = { epoch: 1, events: 0, buffered: 0, bytes: 0, rate: 0, at, fullSince: at };
  const connections = connectionsOf(['a'], { capture: full });
  const state = {
    ...initialGroup('2026-01-01T00:00:00.000Z', undefined),
    members: [copying('a', true)],
  };
  const { client } = clientOf(() => []);
  const status = buildGroupStatus(state, group, await readGroup(connections, client, group, state));
  expect(status.problems).toEqual([
    expect.objectContaining({ namespace: 'shop.a', since: at.toISOString() }),
  ]);
});

it.each([
  ['refuse', () => Promise.reject(new Error('connect ECONNREFUSED'))],
  ['say nothing', () => new Promise<never>(() => undefined)],
])('says what Temporal knows of the collections when the servers %s', async (_how, answer) => {
  const collection = { find: () => ({ toArray: answer }), aggregate: () => ({ toArray: answer }) };
  const away = takenAs<Connections>({
    get: () => ({ db: () => ({ collection: () => collection }) }),
  });
  const lastFailure = { message: 'the target is away' };
  const client = takenAs<Client>({
    workflow: {
      getHandle: (id: string) => ({
        describe: async () => {
          if (id === 'b') throw new Error('it has just ended');
          const replay = { activityId: 'replay', attempt: 7, lastFailure };
          return { raw: { pendingActivities: id === 'c' ? [replay] : [] } };
        },
      }),
    },
  });
  const members = [copying('a', true), copying('b', true), copying('c', false)];
  const state = { ...initialGroup('2026-01-01T00:00:00.000Z', undefined), members };
  const status = buildGroupStatus(state, group, await readGroup(away, client, group, state));
  expect(status.live.error).toMatch(/ECONNREFUSED|no answer within 3 s/);
  expect(status.problems).toEqual([
    expect.objectContaining({
      namespace: 'shop.c',
      what: 'the activity replay fails, attempt 7: the target is away',
    }),
  ]);
});
