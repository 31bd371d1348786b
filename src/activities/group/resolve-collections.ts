import { errorTypes, PermanentError } from '../../errors.js';
import type {
  CollectionNames,
  FoundCollection,
  FoundCollections,
  Group,
  GroupLook,
} from '../../group.js';
import { MAX_COLLECTIONS } from '../../group-options.js';
import { inParallel } from '../../in-parallel.js';
import { listNamespaces } from '../../mongo/namespaces.js';
import { parseNamespace } from '../../names.js';
import type { ActivityDependencies } from '../context.js';
import { withPulse } from '../pulse.js';
import { checkDumps, checkOplogOfAll, checkRoom } from '../../preflight/copy.js';
import { describeFinding, Findings } from '../../preflight/report.js';
import { permitted, signedIn } from '../../preflight/refusal.js';
import { checkSharedCapture } from '../../preflight/shared-capture.js';
import { checkSlots } from '../../preflight/slots.js';
import { type Finding, lookAtCollection, type Looked } from './look-at-collection.js';
import { sortListed } from './sort-listed.js';

/** Collections that are looked at together. */
const PARALLEL = 4;
/** Reasons that are told; how many there are beyond is told too. */
const MOST_REASONS = 50;
/** The same for warnings, in an answer. */
const MOST_WARNINGS = 200;

/**
 * Finds what a group's patterns stand for, and looks at each collection as its own migration will: all that
 * speaks against any of them is told at once, before anything is written.
 * @throws PermanentError PreflightFailed with all reasons, unless they are asked for as an answer. Servers that
 * cannot be reached are tried again.
 */
export async function resolveCollections(
  deps: ActivityDependencies,
  { answers, ...group }: GroupLook,
): Promise<FoundCollections> {
  const status = { doing: 'listing collections', looked: 0, of: 0 };
  return withPulse(
    () => ({ ...status }),
    async ({ signal, touch }) => {
      const { source, target, namespaces: include } = group.options;
      // Nothing is under way yet: what is unknown was mistyped, and waiting would not mend it.
      for (const alias of [source, target]) deps.connections.get(alias);
      const findings = new Findings();
      const list = { side: 'source', code: 'sourceListRefused', privilege: 'listDatabases' };
      const seen = await signedIn(findings, 'source', () =>
        permitted(findings, list, () =>
          listNamespaces(deps.connections.get(source), { include, exclude: [] }, signal),
        ),
      );
      if (!seen) throw refused(findings.errors.map(describeFinding));
      const { partial } = seen;
      const { leftOut, problems, unused, ...sorted } = sortListed(group.options, seen);
      // More than may go together are not gone through: they have to be split in any case.
      const wanted = sorted.wanted.slice(0, MAX_COLLECTIONS);
      Object.assign(status, {
        doing: 'looking at both sides; nothing is written',
        of: wanted.length,
      });
      const looking = lookAtAll(deps, group, wanted, signal, () => {
        touch();
        status.looked += 1;
      });
      const { looked, together } = await looking.catch((error: unknown) => {
        // What is mistyped is told also while a server is away.
        throw problems.length > 0 && !signal.aborted ? refused(problems) : error;
      });
      const reasons = [...problems, ...gather(looked.flatMap(({ errors }) => errors))];
      if (reasons.length > 0 && !answers) throw refused(reasons);
      const collections = collectionsIn(looked);
      const found: FoundCollections = {
        collections,
        leftOut,
        warnings: [
          ...doneBefore(collections.length - goingIn(collections).length),
          ...partial.map(
            (db) =>
              `of ${db} at ${source} only those collections are seen that the user may read: it may not list all of them`,
          ),
          ...unused,
          ...together,
          ...gather(looked.flatMap(({ warnings }) => warnings)),
        ],
        ...((await deps.hasSearchAttributes()) && { searchable: true }),
      };
      return answers ? asAnswer(found, reasons, looked) : found;
    },
  );
}

/** Looks at each, and for what the worker and the target are asked together. */
async function lookAtAll(
  deps: ActivityDependencies,
  group: Group,
  wanted: readonly CollectionNames[],
  signal: AbortSignal,
  done: () => void,
): Promise<{ readonly looked: readonly Looked[]; readonly together: readonly string[] }> {
  const looked = await inParallel(wanted, PARALLEL, async (names) => {
    const seen = await lookAtCollection(deps, group, names, signal);
    done();
    return seen;
  });
  const { source, capture, parallelCopies, parallelPartitions } = group.options;
  const going = goingIn(collectionsIn(looked));
  const findings = new Findings();
  const load = { collections: going.length, parallelCopies, parallelPartitions };
  checkSlots(findings, load, deps.maxActivities);
  if (capture === 'shared') {
    for (const [db, count] of countByDatabase(going)) {
      await checkSharedCapture(findings, deps.connections.get(source).db(db), count, signal);
    }
  }
  const bytes = going.reduce((sum, each) => sum + each.bytes, 0);
  const free = looked.flatMap(({ freeBytes }) => freeBytes ?? []);
  checkRoom(findings, bytes, free.length > 0 ? Math.min(...free) : undefined, 'all of them');
  checkOplogOfAll(
    findings,
    looked.flatMap(({ oplog }) => oplog ?? []),
    bytes,
  );
  const disks = looked.flatMap(({ disk }) => disk ?? []);
  checkDumps(findings, disks, group.options);
  return { looked, together: findings.warnings.map(describeFinding) };
}

function collectionsIn(looked: readonly Looked[]): FoundCollection[] {
  return looked.flatMap(({ found }) => found ?? []);
}

/** Those that no earlier run has cut over. */
function goingIn(collections: readonly FoundCollection[]): FoundCollection[] {
  return collections.filter(({ openedAt }) => openedAt === undefined);
}

function countByDatabase(collections: readonly FoundCollection[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { namespace } of collections) {
    const { db } = parseNamespace(namespace);
    counts.set(db, (counts.get(db) ?? 0) + 1);
  }
  return counts;
}

function doneBefore(count: number): string[] {
  if (count === 0) return [];
  return [
    `collections that an earlier run of this workflow has cut over and that are not done again: ${count}; to have ` +
      'them done, drop them at the target, or start with another workflow id',
  ];
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
      : `${first} and ${others.length} other collection${others.length === 1 ? '' : 's'}: ${message}`,
  );
}

/** The first ones, and in a line how many more there are. */
function firstLines(lines: readonly string[], most: number): string[] {
  const more = lines.length - most;
  return more > 0 ? [...lines.slice(0, most), `and ${more} more`] : [...lines];
}

/** With what speaks against it; it stays small, however much the patterns match. */
function asAnswer(
  { leftOut, warnings, ...found }: FoundCollections,
  reasons: readonly string[],
  looked: readonly Looked[],
): FoundCollections {
  const more = leftOut.length - MAX_COLLECTIONS;
  return {
    ...found,
    leftOut: leftOut.slice(0, MAX_COLLECTIONS),
    warnings: [
      ...(more > 0 ? [`left out are ${more} more than are listed`] : []),
      ...firstLines(warnings, MOST_WARNINGS),
    ],
    ...(reasons.length > 0 && {
      refusal: {
        errors: reasons.slice(0, MOST_REASONS),
        errorsNotShown: Math.max(0, reasons.length - MOST_REASONS),
        unread: looked.flatMap(({ names, found: seen }) => (seen ? [] : [names])),
      },
    }),
  };
}

function refused(reasons: readonly string[]): PermanentError {
  const message =
    reasons.length === 1
      ? (reasons[0] ?? '')
      : [
          `${reasons.length} things speak against this migration:`,
          ...firstLines(reasons, MOST_REASONS).map((reason) => `- ${reason}`),
        ].join('\n');
  return new PermanentError(errorTypes.preflightFailed, message, reasons.slice(0, MOST_REASONS));
}
