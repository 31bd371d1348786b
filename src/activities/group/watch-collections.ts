import { setTimeout as sleep } from 'node:timers/promises';
import type { Group } from '../../group.js';
import { listNamespaces } from '../../mongo/namespaces.js';
import { parseNamespace } from '../../names.js';
import { rename } from '../../namespace-pattern.js';
import { namespace as namespaceSchema } from '../../options.js';
import { isSameDeployment, readDeployment } from '../../preflight/deployment.js';
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
  { options }: Group,
  known: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const { source, target, namespaces: include, exclude } = options;
  deps.connections.require([source, target]);
  const { listed, hidden } = await listNamespaces(
    deps.connections.get(source),
    { include, exclude },
    signal,
  );
  // What could be seen before: whoever has taken the privilege away is told, and it goes on when it is back.
  const seen = new Set(known.map((namespace) => parseNamespace(namespace).db));
  for (const [db, refusal] of hidden) if (seen.has(db)) throw refusal;
  const before = new Set(known);
  const appeared = listed
    .filter(({ namespace, type }) => type === 'collection' && !before.has(namespace))
    .map(({ namespace }) => namespace)
    .filter((namespace) => namespaceSchema.safeParse(namespace).success);
  if (appeared.length === 0) return appeared;
  // What the group itself has made there would be taken up, renamed, and taken up again, without end.
  const own = new Set(known.map((namespace) => rename(namespace, options.rename)));
  const others = appeared.filter((namespace) => !own.has(namespace));
  if (others.length === appeared.length) return appeared;
  const isSame = source === target || (await leadToOne(deps, options, signal));
  return isSame ? others : appeared;
}

async function leadToOne(
  { connections }: Pick<ActivityDependencies, 'connections'>,
  { source, target }: Pick<Group['options'], 'source' | 'target'>,
  signal: AbortSignal,
): Promise<boolean> {
  const [one, other] = await Promise.all([
    readDeployment(connections.get(source), signal),
    readDeployment(connections.get(target), signal),
  ]);
  return isSameDeployment(one, other);
}
