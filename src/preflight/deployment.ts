import { type Document, type MongoClient, Timestamp } from 'mongodb';
import { errorCode } from '../mongo/catalogue.js';
import { readHello } from '../mongo/hello.js';
import { runCommand } from '../mongo/raw.js';
import { parseNamespace } from '../names.js';
import { readPrivileges } from '../mongo/privileges.js';
import type { Findings, SideReport, Topology } from './report.js';

/** What a deployment says of itself to every user. */
export interface Deployment {
  readonly version: string;
  /** Version by whose rules the server runs (featureCompatibilityVersion), where it may be read. */
  readonly featureVersion: string;
  readonly topology: Topology;
  /** Equal for two connections exactly when they lead to one server process; missing before 4.4. */
  readonly process: string | undefined;
  /** Name of the replica set and its members; empty for mongos. */
  readonly members: string;
  /** Host and port of the member that answers, where it is none that takes writes. */
  readonly readOnlyMember: string | undefined;
  readonly time: Timestamp;
  /** Seconds by which its clock is ahead of this worker's. */
  readonly skewSeconds: number;
}

/** Above this, times that people compare across machines mislead. */
const MOST_SKEW_SECONDS = 60;

interface Hello {
  readonly setName?: string;
  readonly msg?: string;
  readonly me?: string;
  readonly isWritablePrimary?: boolean;
  readonly hosts?: readonly string[];
  readonly topologyVersion?: { readonly processId: unknown };
  readonly localTime?: Date;
  readonly operationTime?: Timestamp;
}

/** Reads what a deployment says of itself. */
export async function readDeployment(
  client: MongoClient,
  signal?: AbortSignal,
): Promise<Deployment> {
  const admin = client.db('admin');
  // The first command may have to connect; only the second says what time it is.
  const { version }: { version?: string } = await runCommand(admin, { buildInfo: 1 }, { signal });
  const before = Date.now();
  const hello: Hello & Document = await readHello(admin, { signal });
  const now = (before + Date.now()) / 2;
  return {
    version: version ?? '0.0',
    featureVersion: (await readFeatureVersion(client, signal)) ?? version ?? '0.0',
    topology: hello.setName ? 'replicaSet' : hello.msg === 'isdbgrid' ? 'sharded' : 'standalone',
    process: hello.topologyVersion && String(hello.topologyVersion.processId),
    members: hello.setName ? `${hello.setName}/${[...(hello.hosts ?? [])].toSorted().join()}` : '',
    readOnlyMember:
      hello.setName && hello.isWritablePrimary !== true ? (hello.me ?? hello.setName) : undefined,
    time: hello.operationTime ?? new Timestamp({ t: Math.floor(now / 1000), i: 1 }),
    skewSeconds: hello.localTime ? (hello.localTime.getTime() - now) / 1000 : 0,
  };
}

/** What a report says of a side: of the deployment, and what its user may do in a namespace. */
export async function describeSide(
  client: MongoClient,
  { version, featureVersion, topology, skewSeconds }: Deployment,
  namespace: string,
  actions: readonly string[],
  signal?: AbortSignal,
): Promise<SideReport> {
  const { allows } = await readPrivileges(client.db(parseNamespace(namespace).db), signal);
  return {
    version,
    featureVersion,
    topology,
    // JSON has no negative zero.
    clockSkewSeconds: Math.round(skewSeconds * 10) / 10 || 0,
    privileges: Object.fromEntries(actions.map((action) => [action, allows(action, namespace)])),
  };
}

/** Whether two connections lead to one deployment, by what can be told without privileges. */
export function isSameDeployment(one: Deployment, other: Deployment): boolean {
  if (one.process !== undefined && one.process === other.process) return true;
  // Two primaries: names may be alike, as behind tunnels.
  const isPrimary = ({ process, readOnlyMember }: Deployment) =>
    process !== undefined && readOnlyMember === undefined;
  if (isPrimary(one) && isPrimary(other)) return false;
  return one.members !== '' && one.members === other.members;
}

/** Findings that hold for a source and for a target. */
export function checkDeployment(findings: Findings, side: string, deployment: Deployment): void {
  if (deployment.topology === 'standalone') {
    findings.error(
      `${side}NotReplicaSet`,
      `the ${side} is a single server, neither a replica set nor mongos; change streams, ` +
        'transactions and majority writes need a replica set (one member is enough: start mongod ' +
        'with --replSet and run rs.initiate())',
    );
  }
  if (deployment.topology === 'sharded') {
    findings.warn(
      `${side}Mongos`,
      `the ${side} is a sharded cluster, with which nobody has tested this: name one mongos alone in its connection ` +
        'string, compare everything ("verify": "full"), and read "Not tested" in docs/fine-print.md',
    );
  }
  const skew = Math.round(deployment.skewSeconds);
  if (Math.abs(skew) > MOST_SKEW_SECONDS) {
    findings.warn(
      `${side}ClockSkew`,
      `the clock of the ${side} is ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} this ` +
        "worker's: the migration is not affected, but lags and times in its status are; check NTP",
    );
  }
}

async function readFeatureVersion(
  client: MongoClient,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const command = { getParameter: 1, featureCompatibilityVersion: 1 };
  try {
    const reply: { featureCompatibilityVersion?: { version?: string } } = await runCommand(
      client.db('admin'),
      command,
      { signal },
    );
    return reply.featureCompatibilityVersion?.version;
  } catch (error) {
    // Few users may read it, and mongos does not have it.
    if (errorCode(error) !== undefined) return undefined;
    throw error;
  }
}
