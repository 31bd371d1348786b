import { type Db, type MongoClient, ReadPreference } from 'mongodb';
import { isUnauthorized } from './catalogue.js';
import { NamespacePattern } from '../namespace-pattern.js';

/** A name at a deployment. */
export interface ListedNamespace {
  readonly namespace: string;
  /** The server's word: `collection`, `view`, `timeseries`. */
  readonly type: string;
}

/** The server's own, whatever a pattern says. */
const INTERNAL: readonly string[] = ['admin', 'local', 'config'];
/** The server's too: its catalogue, and what `$out` and `mapReduce` fill and then rename. */
const PASSING = /^(?:system|tmp\.agg_out|tmp\.mr)\./;

/** What is there, as far as the user may see it. */
export interface Listed {
  readonly listed: readonly ListedNamespace[];
  /** Databases of which the user sees those collections only that he may read. */
  readonly partial: readonly string[];
  /** Databases of which the user sees nothing, with what the server said; most are mistyped. */
  readonly hidden: ReadonlyMap<string, unknown>;
  /** Namespaces beside those that are listed, one of which may have been meant. */
  readonly others: readonly string[];
}

/** Lists what matches any of the patterns and none of the unwanted, without what belongs to the servers, by name. */
export async function listNamespaces(
  client: MongoClient,
  {
    include,
    exclude,
  }: { readonly include: readonly string[]; readonly exclude: readonly string[] },
  signal?: AbortSignal,
): Promise<Listed> {
  const wanted = include.map((text) => new NamespacePattern(text));
  const unwanted = exclude.map((text) => new NamespacePattern(text));
  const listed: ListedNamespace[] = [];
  const others: string[] = [];
  const partial: string[] = [];
  const hidden = new Map<string, unknown>();
  for (const name of await listDatabases(client, wanted)) {
    signal?.throwIfAborted();
    const { collections, isPartial, refusal } = await listCollections(client.db(name));
    if (refusal !== undefined) hidden.set(name, refusal);
    else if (isPartial) partial.push(name);
    for (const { name: collection, type = 'collection' } of collections) {
      if (PASSING.test(collection)) continue;
      const namespace = `${name}.${collection}`;
      const isWanted = wanted.some((each) => each.match(namespace));
      if (!isWanted) others.push(namespace);
      else if (!unwanted.some((each) => each.match(namespace))) listed.push({ namespace, type });
    }
  }
  return {
    listed: listed.toSorted((one, other) => (one.namespace < other.namespace ? -1 : 1)),
    partial,
    hidden,
    others,
  };
}

interface SeenCollections {
  readonly collections: readonly { readonly name: string; readonly type?: string }[];
  readonly isPartial: boolean;
  /** Why nothing may be seen. */
  readonly refusal?: unknown;
}

async function listCollections(db: Db): Promise<SeenCollections> {
  const read = (authorizedCollections: boolean) =>
    db
      .listCollections(
        {},
        { nameOnly: true, authorizedCollections, readPreference: ReadPreference.primary },
      )
      .toArray() as Promise<{ name: string; type?: string }[]>;
  const refused = (error: unknown) => {
    if (isUnauthorized(error)) return error;
    throw error;
  };
  try {
    return { collections: await read(false), isPartial: false };
  } catch (error) {
    refused(error);
  }
  try {
    return { collections: await read(true), isPartial: true };
  } catch (error) {
    return { collections: [], isPartial: true, refusal: refused(error) };
  }
}

/** Databases that patterns name, and all that the user sees where one stands for several. */
async function listDatabases(
  client: MongoClient,
  patterns: readonly NamespacePattern[],
): Promise<string[]> {
  const named = patterns.flatMap(({ db }) => (db === undefined ? [] : [db]));
  const all =
    named.length === patterns.length
      ? []
      : (
          await client
            .db('admin')
            .admin()
            .listDatabases({ nameOnly: true, readPreference: ReadPreference.primary })
        ).databases;
  return [...new Set([...named, ...all.map(({ name }) => name)])]
    .filter((name) => !INTERNAL.includes(name))
    .filter((name) => patterns.some((pattern) => pattern.matchesDatabase(name)))
    .toSorted();
}
