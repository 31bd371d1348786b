import type { CollectionNames, LeftOut } from '../../group.js';
import { MAX_COLLECTIONS, type MigrateCollectionsOptions } from '../../group-options.js';
import { parseNamespace } from '../../names.js';
import type { Listed } from '../../mongo/namespaces.js';
import { NamespacePattern, rename, ruleFor } from '../../namespace-pattern.js';
import { whatIsNotAllowed } from '../../mongo-failures.js';
import { didYouMean } from '../../nearest.js';
import { namespace as namespaceSchema } from '../../options.js';

/** What a group's patterns make of what is there. */
export interface Sorted {
  readonly wanted: readonly CollectionNames[];
  readonly leftOut: readonly LeftOut[];
  readonly problems: readonly string[];
  /** Rules that nothing obeys: most are mistyped. */
  readonly unused: readonly string[];
}

/**
 * What is wanted of all that is there, with the names at the target.
 * @param seen what `namespaces` match, `exclude` aside.
 */
export function sortListed(
  options: Pick<MigrateCollectionsOptions, 'source' | 'namespaces' | 'exclude' | 'rename'>,
  { listed, ...beside }: Listed,
): Sorted {
  const unwanted = options.exclude.map((text) => new NamespacePattern(text));
  const kept = listed.filter(({ namespace }) => !unwanted.some((each) => each.match(namespace)));
  const problems: string[] = [];
  const leftOut: LeftOut[] = [];
  const wanted: CollectionNames[] = [];
  const byTarget = new Map<string, string>();
  const spellings = new Map<string, string>();
  const named = new Set(
    options.namespaces.flatMap((text) => new NamespacePattern(text).namespace ?? []),
  );
  for (const { namespace, type } of kept) {
    const isNamed = named.has(namespace);
    const checked = namespaceSchema.safeParse(namespace);
    const why = !checked.success
      ? (checked.error.issues[0]?.message ?? 'cannot be migrated')
      : type === 'collection'
        ? undefined
        : `is a ${type === 'timeseries' ? 'time series collection' : type}, which is not migrated`;
    if (why !== undefined && !isNamed) leftOut.push({ namespace, why });
    if (why !== undefined && isNamed) problems.push(`${namespace} ${why}; exclude it`);
    if (why !== undefined) continue;
    const targetNamespace = rename(namespace, options.rename);
    const target = namespaceSchema.safeParse(targetNamespace);
    if (!target.success) {
      problems.push(
        `${namespace} is renamed to ${targetNamespace}, which ${target.error.issues[0]?.message}`,
      );
    }
    const other = byTarget.get(targetNamespace);
    if (other !== undefined) {
      problems.push(
        `${other} and ${namespace} would both become ${targetNamespace}: change "rename"`,
      );
    }
    byTarget.set(targetNamespace, namespace);
    const { db } = parseNamespace(targetNamespace);
    const spelt = spellings.get(db.toLowerCase()) ?? db;
    if (target.success && spelt !== db) {
      problems.push(
        `${namespace} would go into the database ${db}, and others into ${spelt}: a server has no two whose names differ in upper and lower case alone; change "rename"`,
      );
    }
    spellings.set(db.toLowerCase(), spelt);
    wanted.push({ namespace, targetNamespace });
  }
  for (const text of options.namespaces) {
    const pattern = new NamespacePattern(text);
    if (wanted.some(({ namespace }) => pattern.match(namespace))) continue;
    const isLeft = kept.some(({ namespace }) => pattern.match(namespace));
    const why = isLeft ? ', or only what is not migrated' : '';
    const near = nearName(text, [...beside.others, ...listed.map(({ namespace }) => namespace)]);
    problems.push(
      `"${text}" matches no collection at ${options.source}${why}, after "exclude"${near}${whatIsSeen(pattern, beside)}`,
    );
  }
  const patterns = options.namespaces.map((text) => new NamespacePattern(text));
  for (const db of beside.hidden.keys()) {
    const isNamedThere = patterns.some((pattern) => pattern.db === db);
    if (isNamedThere || unwanted.some((pattern) => pattern.matchesAllOf(db))) continue;
    problems.push(
      `of the database ${db}, which "namespaces" match too, the user of ${options.source} may see nothing: grant listCollections on it, or exclude "${db}.*" (the server said: ${saidOf(beside.hidden.get(db))})`,
    );
  }
  if (wanted.length > MAX_COLLECTIONS) {
    problems.push(
      `${wanted.length} collections match, and one migration takes ${MAX_COLLECTIONS}: split the patterns`,
    );
  }
  return {
    wanted,
    leftOut,
    problems,
    unused: unusedRules(options, { listed, hidden: beside.hidden }, wanted),
  };
}

/** Why a pattern may match nothing although what it stands for is there. */
function whatIsSeen(
  { db = '' }: NamespacePattern,
  { partial, hidden }: Pick<Listed, 'partial' | 'hidden'>,
): string {
  if (hidden.has(db)) {
    return `: its user may see nothing of the database ${db}; check that name, or grant listCollections on it (the server said: ${saidOf(hidden.get(db))})`;
  }
  if (!partial.includes(db)) return '';
  return `: its user sees only those collections of ${db} that it may read; grant listCollections on ${db} to see all`;
}

function saidOf(refusal: unknown): string {
  return refusal instanceof Error ? whatIsNotAllowed(refusal.message) : String(refusal);
}

/** What may have been meant by a pattern that stands for one collection. */
function nearName(text: string, names: readonly string[]): string {
  const { namespace } = new NamespacePattern(text);
  // What is there under that very name is excluded, or cannot be migrated.
  const isThere = namespace === undefined || names.includes(namespace);
  return isThere ? '' : didYouMean(namespace, names);
}

function unusedRules(
  { exclude, rename: rules }: Pick<MigrateCollectionsOptions, 'exclude' | 'rename'>,
  { listed, hidden }: Pick<Listed, 'listed' | 'hidden'>,
  wanted: readonly CollectionNames[],
): string[] {
  const all = listed.map(({ namespace }) => namespace);
  const going = wanted.map(({ namespace }) => namespace);
  const deciding = new Set(going.map((namespace) => ruleFor(namespace, rules)));
  const isUnused = (text: string) => {
    const pattern = new NamespacePattern(text);
    const isOfHidden = [...hidden.keys()].some((db) => pattern.matchesDatabase(db));
    return !isOfHidden && !all.some((namespace) => pattern.match(namespace));
  };
  return [
    ...exclude
      .filter(isUnused)
      .map(
        (text) =>
          `"exclude": "${text}"${nearName(text, all)} leaves nothing out: it matches none of what "namespaces" match`,
      ),
    ...rules
      .filter((rule) => !deciding.has(rule))
      .map(
        ({ from }) =>
          `"rename": "${from}"${nearName(from, going)} renames nothing: it matches no collection that is migrated, or an earlier rule does`,
      ),
  ];
}
