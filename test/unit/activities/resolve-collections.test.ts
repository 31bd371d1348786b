import { MockActivityEnvironment } from '@temporalio/testing';
import { BSON, UUID } from 'mongodb';
import { describe, expect, it } from 'vitest';
import type { ActivityDependencies } from '../../../src/activities/context.js';
import { resolveCollections } from '../../../src/activities/group/resolve-collections.js';
import { listUnknown } from '../../../src/activities/group/watch-collections.js';
import { Connections } from '../../../src/connections.js';
import { PermanentError } from '../../../src/errors.js';
import type { FoundCollections, Group, GroupLook } from '../../../src/group.js';
import { migrateCollectionsInput } from '../../../src/group-options.js';
import { Secret } from '../../../src/secret.js';
import { takenAs } from '../../helpers/taken-as.js';

function groupOf(given: object = {}): Group {
  const pair = { source: 'source', target: 'target', namespaces: ['shop.*'] };
  const options = migrateCollectionsInput.parse({ ...pair, ...given });
  return { workflowId: 'group', runId: 'run', options };
}

/** Servers, by alias, where these collections are. */
function connectionsTo(
  collections: readonly string[],
  processes: Readonly<Record<string, string>>,
) {
  const listed = {
    listCollections: () => ({ toArray: async () => collections.map((name) => ({ name })) }),
    command: async () => ({
      cursor: BSON.serialize({ firstBatch: [{ name: 'orders', info: { uuid: new UUID() } }] }),
    }),
  };
  return takenAs<Connections>({
    require: () => undefined,
    get: (alias: string) => ({
      db: (name: string) =>
        name === 'admin'
          ? {
              command: async () => ({ topologyVersion: { processId: processes[alias] } }),
              admin: () => ({}),
            }
          : listed,
    }),
  });
}

describe('the collections of a group', () => {
  it.each(['source', 'target'] as const)('are none where its %s is mistyped', async (side) => {
    const uris = ['source', 'target'].map(
      (alias) => [alias, new Secret('mongodb://no.such/')] as const,
    );
    const connections = Connections.from({ uris: new Map(uris) });
    const group = groupOf({ [side]: 'sourec' });
    const deps = takenAs<ActivityDependencies>({ connections });
    const failure: unknown = await new MockActivityEnvironment()
      .run(() => resolveCollections(deps, group))
      .catch((error: unknown) => error);
    await connections.close();
    expect(failure).toBeInstanceOf(PermanentError);
    expect(failure).toMatchObject({
      type: 'InvalidInput',
      message: expect.stringContaining('unknown alias "sourec" (did you mean "source"?)'),
    });
  });

  it('are not those that are migrated already, by another group or alone', async () => {
    const failure = await failureOf(groupOf(), { names: ['carts', 'orders'], found: running });
    expect(failure).toMatchObject({ type: 'PreflightFailed' });
    for (const name of ['carts', 'orders']) {
      expect(String(failure)).toContain(`migrate:source:shop.${name} is running already; abort it`);
    }
    const there = { names: ['carts', 'orders'], found: runningInGroup };
    expect(await failureOf(groupOf(), there)).toMatchObject({
      message:
        'shop.carts and 1 other collection: migrate:source:shop.c* migrates this already: exclude it from one of the ' +
        'two, or abort that one',
    });
  });

  it('are told of all at once, what is mistyped and what speaks against the others', async () => {
    const group = groupOf({ namespaces: ['shop.*', 'shop.x_*'] });
    const there = { names: ['carts', 'orders'], found: running };
    const failure = await failureOf(group, there);
    expect(String(failure)).toContain('3 things speak against this migration');
    expect(String(failure)).toContain('"shop.x_*" matches no collection');
    expect(await resolve({ ...group, answers: true }, there)).toMatchObject({
      collections: [],
      refusal: {
        errors: [
          expect.stringContaining('"shop.x_*" matches'),
          expect.stringMatching(/^shop\.carts: .* is running already/),
          expect.stringMatching(/^shop\.orders: .* is running already/),
        ],
        errorsNotShown: 0,
        unread: ['shop.carts', 'shop.orders'].map((namespace) => ({
          namespace,
          targetNamespace: namespace,
        })),
      },
    });
  });

  it('are answered with how many reasons there are beyond those that are told', async () => {
    const names = Array.from({ length: 60 }, (_, index) => `c${index}`);
    const { refusal } = await resolve({ ...groupOf(), answers: true }, { names, found: running });
    expect(refusal?.errors).toHaveLength(50);
    expect(refusal).toMatchObject({ errorsNotShown: 10 });
    expect(refusal?.unread).toHaveLength(60);
    const failure = await failureOf(groupOf(), { names, found: running });
    expect(String(failure)).toContain('60 things speak');
    expect(String(failure)).toContain('- and 10 more');
  });

  it('are not looked at under names that cannot be', async () => {
    const group = groupOf({ rename: [{ from: 'shop.*', to: 'shop.cdc.*' }] });
    const failure = await failureOf(group, { names: ['orders'], found: running });
    expect(failure).toMatchObject({ details: [expect.stringContaining('is renamed to')] });
  });

  it('are told what is mistyped also where nobody answers for the others', async () => {
    const group = groupOf({ namespaces: ['shop.*', 'shop.x_*'] });
    const away = async () => {
      throw new Error('away');
    };
    const failure = await failureOf(group, { names: ['orders'], found: away });
    expect(failure).toMatchObject({
      type: 'PreflightFailed',
      details: [expect.stringContaining('"shop.x_*"')],
    });
    const all = groupOf();
    expect(await failureOf(all, { names: ['orders'], found: away })).toMatchObject({
      message: 'away',
    });
  });

  it('are none where the group has the workflow id of one of them', async () => {
    const id = 'migrate:source:shop.orders';
    const group = { ...groupOf({ namespaces: ['shop.orders'] }), workflowId: id };
    const there = { names: ['orders'], found: running };
    expect(String(await failureOf(group, { ...there, isRunning: true }))).toContain(
      'start the group with another workflow id',
    );
    // A look at it is another workflow.
    expect(String(await failureOf(group, there))).toContain('is running already; abort it');
  });

  it('are not done again by the group that has cut them over, and in use for every other', async () => {
    const openedAt = '2026-01-01T00:00:00.000Z';
    const before = { target: 'target', targetNamespace: 'shop.orders', parent: 'group', openedAt };
    const there = { names: ['orders'], found: async () => ({ isRunning: false, ...before }) };
    expect(await resolve(groupOf(), there)).toMatchObject({
      collections: [{ namespace: 'shop.orders', openedAt }],
      warnings: [expect.stringContaining('not done again: 1;')],
    });
    const failure = await failureOf({ ...groupOf(), workflowId: 'another' }, there);
    expect(failure).toMatchObject({ type: 'PreflightFailed' });
    expect(String(failure)).toContain(`shop.orders: cut over at ${openedAt} by group: app`);
  });
});

interface There {
  readonly names: readonly string[];
  readonly found: ActivityDependencies['members']['find'];
  readonly isRunning?: boolean;
}

async function running() {
  return { isRunning: true };
}

async function runningInGroup() {
  return { isRunning: true, parent: 'migrate:source:shop.c*' };
}

async function resolve(
  look: GroupLook,
  { names, found, isRunning = false }: There,
): Promise<FoundCollections> {
  const deps = takenAs<ActivityDependencies>({
    connections: connectionsTo(names, {}),
    members: { find: found },
    maxActivities: 500,
    isRunning: async () => isRunning,
    hasSearchAttributes: async () => false,
  });
  return new MockActivityEnvironment().run(() => resolveCollections(deps, look));
}

async function failureOf(group: Group, there: There): Promise<unknown> {
  return resolve(group, there).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a collection that appears', () => {
  const rename = [{ from: 'shop.*', to: 'shop.new_*' }];
  const known = ['shop.carts'];
  const there = ['carts', 'new_carts', 'orders'];

  it.each([
    ['one deployment', { source: 'a', target: 'a' }, ['shop.orders']],
    ['two', { source: 'a', target: 'b' }, ['shop.new_carts', 'shop.orders']],
  ])(
    'is none that the group has made, with source and target at %s',
    async (_where, processes, found) => {
      const connections = connectionsTo(there, processes);
      const signal = new AbortController().signal;
      expect(await listUnknown({ connections }, groupOf({ rename }), known, signal)).toEqual(found);
    },
  );
});
