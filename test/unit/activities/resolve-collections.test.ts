import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import type { ActivityDependencies } from '../../../src/activities/context.js';
import { resolveCollections } from '../../../src/activities/group/resolve-collections.js';
import { listUnknown } from '../../../src/activities/group/watch-collections.js';
import { Connections } from '../../../src/connections.js';
import { PermanentError } from '../../../src/errors.js';
import type { Group } from '../../../src/group.js';
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
    const deps = takenAs<ActivityDependencies>({
      connections: connectionsTo(['carts', 'orders'], {}),
      members: { find: async () => ({ isRunning: true, parent: 'migrate:source:shop.c*' }) },
    });
    const group = groupOf();
    const failure: unknown = await new MockActivityEnvironment()
      .run(() => resolveCollections(deps, group))
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ type: 'PreflightFailed' });
    for (const name of ['carts', 'orders']) {
      expect(String(failure)).toContain(`migrate:source:shop.${name} is running already; abort it`);
    }
  });
});

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
