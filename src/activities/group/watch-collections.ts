import { setTimeout as sleep } from 'node:timers/promises';
import type { Group } from '../../group.js';
import { listNamespaces } from '../../mongo/namespaces.js';
import { namespace as namespaceSchema } from '../../options.js';
import type { ActivityDependencies } from '../context.js';
import { withPulse } from '../pulse.js';

const EVERY_MS = 10_000;

/**
 * Waits for collections that match a group's patterns and are not known.
 * @param known namespaces.
 * @returns what has appeared.
 */
export async function watchCollections(
  deps: Pick<ActivityDependencies, 'connections'>,
  group: Group,
  known: readonly string[],
): Promise<readonly string[]> {
  return withPulse(
    () => ({ doing: 'looking for new collections' }),
    async ({ signal, touch }) => {
      for (;;) {
        const appeared = await listUnknown(deps, group, known, signal);
        if (appeared.length > 0) return appeared;
        touch();
        await sleep(EVERY_MS, undefined, { signal });
      }
    },
  );
}

/** Collections that match a group's patterns now and are not known. */
export async function listUnknown(
  deps: Pick<ActivityDependencies, 'connections'>,
  { options: { source, namespaces: include, exclude } }: Group,
  known: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  deps.connections.require([source]);
  const { listed } = await listNamespaces(
    deps.connections.get(source),
    { include, exclude },
    signal,
  );
  const before = new Set(known);
  return listed
    .filter(({ namespace, type }) => type === 'collection' && !before.has(namespace))
    .map(({ namespace }) => namespace)
    .filter((namespace) => namespaceSchema.safeParse(namespace).success);
}
