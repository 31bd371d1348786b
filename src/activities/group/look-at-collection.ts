import type { CollectionNames, FoundCollection, Group } from '../../group.js';
import { optionsFor } from '../../group-options.js';
import type { FoundMember } from '../../member-calls.js';
import { readUuid } from '../../mongo/catalogue.js';
import { parseNamespace, workflowId } from '../../names.js';
import { namespace as namespaceSchema } from '../../options.js';
import type { OplogReport } from '../../preflight/copy.js';
import { describeFinding, type DiskReport } from '../../preflight/report.js';
import type { ActivityDependencies } from '../context.js';
import { lookAround } from '../look-around.js';

/** Something that was found, and for which collection. */
export interface Finding {
  readonly namespace: string;
  readonly message: string;
}

/** What a look at both sides of one collection has found. */
export interface Looked {
  readonly names: CollectionNames;
  /** Missing where it could not be looked at. */
  readonly found?: FoundCollection;
  /** Free at the target's disk, where it says so. */
  readonly freeBytes?: number | undefined;
  /** History that its source holds. */
  readonly oplog?: OplogReport | undefined;
  /** Room for its dump files on this worker. */
  readonly disk?: DiskReport | undefined;
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Looks at one collection of a group as its own migration will. */
export async function lookAtCollection(
  deps: ActivityDependencies,
  group: Group,
  names: CollectionNames,
  signal: AbortSignal,
): Promise<Looked> {
  const { namespace, targetNamespace } = names;
  const seen = { names, errors: [], warnings: [] };
  // No server has to be asked for a name that cannot be; that is told already.
  if (!namespaceSchema.safeParse(targetNamespace).success) return seen;
  const before = await lookBefore(deps, group, names);
  if (before && 'openedAt' in before) {
    return { ...seen, found: { ...names, documents: 0, bytes: 0, ...before } };
  }
  if (before) return { ...seen, errors: [{ namespace, message: before.refusal }] };
  const { runId, options } = group;
  const own = workflowId(options.source, namespace);
  const migration = { workflowId: own, runId, options: optionsFor(options, names) };
  const { source, target, disk, errors, warnings } = await lookAround(deps, migration, signal);
  return {
    names,
    ...(source && { found: { ...names, documents: source.documents, bytes: source.bytes } }),
    freeBytes: target?.freeBytes,
    oplog: source,
    disk,
    errors: errors.map((each) => ({ namespace, message: describeFinding(each) })),
    warnings: warnings.map((each) => ({ namespace, message: describeFinding(each) })),
  };
}

/** What an earlier migration of a collection means for this one; nothing where it may begin. */
async function lookBefore(
  deps: ActivityDependencies,
  { workflowId: id, runId, options }: Group,
  names: CollectionNames,
): Promise<{ readonly openedAt: string } | { readonly refusal: string } | undefined> {
  const own = workflowId(options.source, names.namespace);
  const before = await deps.members.find(own);
  if (before?.isRunning) {
    const isItself = own === id && (await deps.isRunning(id, runId));
    return {
      refusal: isItself
        ? `${own}, the workflow id of this group, is that of the collection's own migration: start the group with ` +
          'another workflow id'
        : describeRunning(own, before.parent === id ? undefined : before.parent),
    };
  }
  if (before?.openedAt === undefined || !(await isThere(deps, names, before, options.target))) {
    return undefined;
  }
  const { openedAt, parent } = before;
  if (parent === id) return { openedAt };
  // Whoever reads that the name is taken would drop it, and with it what applications use.
  const again = parent === undefined ? '' : ', or start that group again, which does not repeat it';
  return {
    refusal:
      `cut over at ${openedAt} by ${parent ?? own}: applications may use it at the target. Exclude it${again}; to ` +
      'have it done anew, drop it at the target',
  };
}

/** Those of one group are told in one line. */
function describeRunning(own: string, group: string | undefined): string {
  return group === undefined
    ? `${own} is running already; abort it, or exclude the collection`
    : `${group} migrates this already: exclude it from one of the two, or abort that one`;
}

/** Whether what a former run has cut over is the same, and still there. */
async function isThere(
  { connections }: Pick<ActivityDependencies, 'connections'>,
  { targetNamespace }: CollectionNames,
  before: FoundMember,
  target: string,
): Promise<boolean> {
  if (before.target !== target || before.targetNamespace !== targetNamespace) return false;
  const { db, collection } = parseNamespace(targetNamespace);
  return (await readUuid(connections.get(target).db(db), collection)) !== undefined;
}
