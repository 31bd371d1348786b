import { errorTypes, PermanentError } from '../../errors.js';
import type { CollectionNames, FoundCollection, FoundCollections, Group } from '../../group.js';
import { optionsFor } from '../../group-options.js';
import { inParallel } from '../../in-parallel.js';
import { listNamespaces } from '../../mongo/namespaces.js';
import type { FoundMember } from '../../member-calls.js';
import { readUuid } from '../../mongo/catalogue.js';
import { parseNamespace, workflowId } from '../../names.js';
import type { ActivityDependencies } from '../context.js';
import { withPulse } from '../pulse.js';
import { lookAround } from '../look-around.js';
import { checkRoom } from '../../preflight/copy.js';
import { Findings } from '../../preflight/report.js';
import { checkSharedCapture } from '../../preflight/shared-capture.js';
import { checkSlots } from '../../preflight/slots.js';
import { sortListed } from './sort-listed.js';

/** Collections that are looked at together. */
const PARALLEL = 4;
/** Reasons that are told; how many there are beyond is told too. */
const MOST_REASONS = 50;

/**
 * Finds what a group's patterns stand for, and looks at each collection as its own migration will: all that
 * speaks against any of them is told at once, before anything is written.
 * @throws PermanentError PreflightFailed with all reasons. Servers that cannot be reached are tried again.
 */
export async function resolveCollections(
  deps: ActivityDependencies,
  group: Group,
): Promise<FoundCollections> {
  const status = { doing: 'listing collections', looked: 0, of: 0 };
  return withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      const { source, target, namespaces: include } = group.options;
      // Nothing is under way yet: what is unknown was mistyped, and waiting would not mend it.
      for (const alias of [source, target]) deps.connections.get(alias);
      const { listed, partial } = await listNamespaces(
        deps.connections.get(source),
        { include, exclude: [] },
        signal,
      );
      const { wanted, leftOut, problems, unused } = sortListed(group.options, listed);
      if (problems.length > 0) throw refused(problems);
      Object.assign(status, {
        doing: 'looking at both sides; nothing is written',
        of: wanted.length,
      });
      const looked = await inParallel(wanted, PARALLEL, async (names) => {
        const found = await look(deps, group, names, signal);
        touch();
        status.looked += 1;
        return found;
      });
      const against = gather(looked.flatMap(({ errors }) => errors));
      if (against.length > 0) throw refused(against);
      const collections = looked.flatMap(({ found }) => found ?? []);
      const bytes = collections.reduce((sum, each) => sum + each.bytes, 0);
      const free = looked.flatMap(({ freeBytes }) => freeBytes ?? []);
      const together = new Findings();
      const { parallelCopies, parallelPartitions } = group.options;
      const going = collections.filter(({ openedAt }) => openedAt === undefined).length;
      const load = { collections: going, parallelCopies, parallelPartitions };
      checkSlots(together, load, deps.maxActivities);
      if (group.options.capture === 'shared') {
        for (const [db, count] of countByDatabase(collections)) {
          await checkSharedCapture(together, deps.connections.get(source).db(db), count, signal);
        }
      }
      checkRoom(together, bytes, free.length > 0 ? Math.min(...free) : undefined, 'all of them');
      return {
        collections,
        leftOut,
        warnings: [
          ...doneBefore(collections.length - going),
          ...partial.map(
            (db) =>
              `of ${db} at ${source} only those collections are seen that the user may read: it may not list all of them`,
          ),
          ...unused,
          ...together.warnings.map(({ message }) => message),
          ...gather(looked.flatMap(({ warnings }) => warnings)),
        ],
        ...((await deps.hasSearchAttributes()) && { searchable: true }),
      };
    },
  );
}

function doneBefore(count: number): string[] {
  if (count === 0) return [];
  return [
    `collections that an earlier run of this workflow has cut over and that are not done again: ${count}; to have ` +
      'them done, drop them at the target, or start with another workflow id',
  ];
}

/** Something that was found, and for which collection. */
interface Finding {
  readonly namespace: string;
  readonly message: string;
}

/** What a look at both sides of one collection has found. */
interface Looked {
  readonly found?: FoundCollection;
  /** Free at the target's disk, where it says so. */
  readonly freeBytes?: number | undefined;
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Findings as lines; what is the same for several collections is one. */
function gather(findings: readonly Finding[]): string[] {
  const byMessage = new Map<string, string[]>();
  for (const { namespace, message } of findings) {
    byMessage.set(message, [...(byMessage.get(message) ?? []), namespace]);
  }
  return [...byMessage].map(([message, [first = '', ...others]]) =>
    others.length === 0
      ? `${first}: ${message}`
      : `${first} and ${others.length} other collections: ${message}`,
  );
}

async function look(
  deps: ActivityDependencies,
  { workflowId: id, runId, options }: Group,
  names: { readonly namespace: string; readonly targetNamespace: string },
  signal: AbortSignal,
): Promise<Looked> {
  const { namespace } = names;
  const own = workflowId(options.source, namespace);
  const before = await deps.members.find(own);
  if (before?.isRunning) {
    const message = `${own} is running already; abort it, or exclude the collection`;
    return { errors: [{ namespace, message }], warnings: [] };
  }
  if (
    before?.openedAt !== undefined &&
    before.parent === id &&
    (await isThere(deps, names, before, options.target))
  ) {
    const found = { ...names, documents: 0, bytes: 0, openedAt: before.openedAt };
    return { found, errors: [], warnings: [] };
  }
  const migration = { workflowId: own, runId, options: optionsFor(options, names) };
  const report = await lookAround(deps, migration, signal);
  return {
    ...(report.source && {
      found: { ...names, documents: report.source.documents, bytes: report.source.bytes },
    }),
    freeBytes: report.target?.freeBytes,
    errors: report.errors.map(({ message }) => ({ namespace, message })),
    warnings: report.warnings.map(({ message }) => ({ namespace, message })),
  };
}

function countByDatabase(collections: readonly FoundCollection[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { namespace, openedAt } of collections) {
    if (openedAt !== undefined) continue;
    const { db } = parseNamespace(namespace);
    counts.set(db, (counts.get(db) ?? 0) + 1);
  }
  return counts;
}

/** Whether what a former run of this group has cut over is the same, and still there. */
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

function refused(reasons: readonly string[]): PermanentError {
  const shown = reasons.slice(0, MOST_REASONS);
  const more = reasons.length > shown.length ? [`- and ${reasons.length - shown.length} more`] : [];
  const message =
    reasons.length === 1
      ? (reasons[0] ?? '')
      : [
          `${reasons.length} things speak against this migration:`,
          ...shown.map((reason) => `- ${reason}`),
          ...more,
        ].join('\n');
  return new PermanentError(errorTypes.preflightFailed, message, shown);
}
