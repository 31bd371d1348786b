import type { Db } from 'mongodb';
import { type Namespace, parseNamespace } from '../names.js';
import { runCommand } from './raw.js';

/** What the user of a connection may do. */
export interface Privileges {
  /** Whether the connection has a user; without one, everything is allowed or nothing is. */
  readonly authenticated: boolean;
  /** Whether an action, `collMod`, is allowed on a namespace, `shop.orders`. */
  readonly allows: (action: string, namespace: string) => boolean;
}

/** Actions that a migration uses at the source; without `collStats` its size is estimated. */
export const sourceActions = [
  'find',
  'changeStream',
  'listCollections',
  'listIndexes',
  'collStats',
] as const;

/** Actions that a migration needs on every collection it makes in the target database. */
export const targetActions = [
  'find',
  'insert',
  'update',
  'remove',
  'createCollection',
  'createIndex',
  'dropCollection',
  'dropIndex',
  'renameCollectionSameDB',
  'listCollections',
  'listIndexes',
] as const;

interface AuthInfo {
  readonly authenticatedUsers: readonly unknown[];
  readonly authenticatedUserPrivileges?: readonly Grant[];
}

/** What `connectionStatus` shows of one privilege. */
export interface Grant {
  readonly resource: Resource;
  readonly actions: readonly string[];
}

/**
 * Asks the server what the user of this connection may do; every user may ask that. Where there is
 * no user, all is taken as allowed: a server with authentication refuses the first command itself.
 */
export async function readPrivileges(db: Db, signal?: AbortSignal): Promise<Privileges> {
  const command = { connectionStatus: 1, showPrivileges: true };
  const { authInfo }: { authInfo?: AuthInfo } = await runCommand(db, command, { signal });
  const grants = authInfo?.authenticatedUserPrivileges ?? [];
  const authenticated = (authInfo?.authenticatedUsers ?? []).length > 0;
  return {
    authenticated,
    allows: (action, namespace) => !authenticated || isGranted(grants, action, namespace),
  };
}

interface Resource {
  readonly anyResource?: boolean;
  readonly db?: string;
  readonly collection?: string;
}

/** Whether one of the grants, as `connectionStatus` shows them, allows an action on a namespace. */
export function isGranted(grants: readonly Grant[], action: string, namespace: string): boolean {
  const wanted = parseNamespace(namespace);
  return grants.some(
    ({ resource, actions }) =>
      (actions.includes(action) || actions.includes('anyAction')) && covers(resource, wanted),
  );
}

/** An empty name stands for all databases, or for all collections that are not the server's own. */
function covers(resource: Resource, { db, collection }: Namespace): boolean {
  if (resource.anyResource === true) return true;
  const matchesDb = resource.db === '' || resource.db === db;
  const isOwn = collection.startsWith('system.');
  return (
    matchesDb && (resource.collection === collection || (resource.collection === '' && !isOwn))
  );
}
