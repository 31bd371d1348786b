import type { Db, MongoClient } from 'mongodb';
import { NamespacePattern } from '../namespace-pattern.js';

/** A name at a deployment. */
export interface ListedNamespace {
  readonly namespace: string;
  /** The server's word: `collection`, `view`, `timeseries`. */
  readonly type: string;
}

/** The server's own, whatever a pattern says. */
const INTERNAL: readonly string[] = ['admin', 'local', 'config'];

/**
 * Lists what matches any of the patterns and none of the others, without what belongs to the servers, by name.
 * @throws MongoServerError 13 where the user may not list a database that a pattern names
 */
export async function listNamespaces(
  client: MongoClient,
  {
    include,
    exclude,
  }: { readonly include: readonly string[]; readonly exclude: readonly string[] },
  signal?: AbortSignal,
): Promise<ListedNamespace[]> {
  const wanted = include.map((text) => new NamespacePattern(text));
  const unwanted = exclude.map((text) => new NamespacePattern(text));
  const listed: ListedNamespace[] = [];
  for (const db of await listDatabases(client, wanted)) {
    signal?.throwIfAborted();
    for (const { name, type = 'collection' } of await listCollections(client.db(db))) {
      const namespace = `${db}.${name}`;
      const isWanted = wanted.some((each) => each.match(namespace));
      if (!isWanted || name.startsWith('system.')) continue;
      if (unwanted.some((each) => each.match(namespace))) continue;
      listed.push({ namespace, type });
    }
  }
  return listed.toSorted((one, other) => (one.namespace < other.namespace ? -1 : 1));
}

async function listCollections(db: Db): Promise<{ name: string; type?: string }[]> {
  // With this option a user sees what he may read, and needs no privilege to list.
  return db.listCollections({}, { nameOnly: true, authorizedCollections: true }).toArray();
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
      : (await client.db('admin').admin().listDatabases({ nameOnly: true })).databases;
  return [...new Set([...named, ...all.map(({ name }) => name)])]
    .filter((name) => !INTERNAL.includes(name))
    .toSorted();
}
