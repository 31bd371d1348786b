import type { MongoClient } from 'mongodb';
import { errorCode } from '../mongo/catalogue.js';
import { runCommand } from '../mongo/raw.js';
import { parseNamespace } from '../names.js';
import type { Deployment } from './deployment.js';
import type { Findings, PreflightContext } from './report.js';

/**
 * Writes need a primary. With the ordinary connection string of a replica set the driver finds it, wherever
 * reads go; with `directConnection` it asks the one member that is named.
 */
export function checkWritable(
  findings: Findings,
  { target, options }: PreflightContext,
  { readOnlyMember }: Deployment,
): void {
  if (readOnlyMember === undefined || !target.options.directConnection) return;
  findings.error(
    'targetNotPrimary',
    `the connection string of the target leads to ${readOnlyMember} alone, which is not the primary and takes no ` +
      `writes: take directConnection out of MONGODB_URI_${options.target.toUpperCase()} and name the replica set ` +
      'there (replicaSet=<name>), so that the primary is found, also after a failover',
  );
}

/** A server has no two databases whose names differ in upper and lower case only. */
export async function checkDatabaseCase(
  findings: Findings,
  { target, options, signal }: PreflightContext,
): Promise<void> {
  const { db } = parseNamespace(options.targetNamespace);
  const command = { listDatabases: 1, nameOnly: true, authorizedDatabases: true };
  const reply = await unlessRefused(runCommand(target.db('admin'), command, { signal }));
  const databases: readonly { name: string }[] = reply?.['databases'] ?? [];
  const names = databases.map(({ name }) => name);
  const other = names.find((name) => name.toLowerCase() === db.toLowerCase());
  if (other === undefined || names.includes(db)) return;
  findings.error(
    'targetDatabaseCase',
    `the target has a database ${other}, beside which a server does not allow ${db}: the names differ in upper ` +
      `and lower case only; give a targetNamespace in ${other}, or in a database with another name`,
  );
}

/** Bytes free on the disk of the target, where its user may see that. */
export async function readRoom(
  target: MongoClient,
  database: string,
  signal?: AbortSignal,
): Promise<number | undefined> {
  // A database that does not exist yet knows no disk.
  for (const name of [database, 'admin']) {
    const stats = await unlessRefused(runCommand(target.db(name), { dbStats: 1 }, { signal }));
    const [total, used] = [Number(stats?.['fsTotalSize']), Number(stats?.['fsUsedSize'])];
    if (total > 0 && used >= 0) return Math.max(0, total - used);
  }
  return undefined;
}

/** What a server answers with an error is not known; that it cannot be reached passes. */
async function unlessRefused<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}
