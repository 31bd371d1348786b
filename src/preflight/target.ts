import { type Catalogue, readCatalogue } from '../mongo/catalogue.js';
import { finalFeatures, isAtLeast } from '../mongo/final-plan.js';
import { type Privileges, readPrivileges, targetActions } from '../mongo/privileges.js';
import { runCommand } from '../mongo/raw.js';
import { bufferName, CONTROL_COLLECTION, parseNamespace, stagingName } from '../names.js';
import { checkDeployment, type Deployment, describeSide, readDeployment } from './deployment.js';
import { checkLeftovers } from './leftovers.js';
import { permitted } from './refusal.js';
import { checkDatabaseCase, checkWritable, readRoom } from './target-server.js';
import type { Findings, PreflightContext, TargetFeatures, TargetReport } from './report.js';

/** Room is kept for the name of a copy that was begun anew so often. */
const MOST_ROUND = 9;
/** As long as that of any run. */
const SOME_TAG = '00000000';

/** All that was learnt of the target, for the checks that compare it with the source. */
export interface TargetState {
  readonly deployment: Deployment;
  /** The collection that has the final name already. */
  readonly existing: Catalogue | undefined;
  /** Documents in it, by the server's own count. */
  readonly existingDocuments: number;
  /** Whether it is this run's own, from before. */
  readonly existingIsOurs: boolean;
  /** Whether its user may run collMod on the staging collection, where a validator is tried. */
  readonly stagingCollMod: boolean;
  readonly report: TargetReport;
}

/** Looks at the target: that the migration may write there, and that nothing is in its way. */
export async function checkTarget(
  context: PreflightContext,
  findings: Findings,
): Promise<TargetState> {
  const { target, options, signal } = context;
  const { db: name, collection } = parseNamespace(options.targetNamespace);
  const db = target.db(name);
  const deployment = await readDeployment(target, signal);
  checkDeployment(findings, 'target', deployment);
  checkWritable(findings, context, deployment);
  checkNames(findings, options.targetNamespace, deployment);
  const [privileges, freeBytes] = await Promise.all([
    readPrivileges(db, signal),
    readRoom(target, name, signal),
    checkDatabaseCase(findings, context),
  ]);
  const canRead = checkPrivileges(findings, options.targetNamespace, privileges);
  const attempt = { side: 'target', code: 'targetRefused', privilege: `find on ${name}` };
  const found = canRead
    ? await permitted(findings, attempt, async () => {
        const existing = await readCatalogue(db, collection, signal);
        const counts = existing && existing.type !== 'view';
        const reply = counts && (await runCommand(db, { count: collection }, { signal }));
        const left = await checkLeftovers(context, findings);
        return { existing, documents: Number(reply ? reply['n'] : 0), ...left };
      })
    : undefined;
  const actions = [...targetActions, 'collMod'];
  const collModAllowed = privileges.allows('collMod', options.targetNamespace);
  return {
    deployment,
    existing: found?.existing,
    existingDocuments: found?.documents ?? 0,
    existingIsOurs: found?.isOurs ?? false,
    stagingCollMod: privileges.allows('collMod', `${name}.${someStaging(collection)}`),
    report: {
      ...(await describeSide(target, deployment, options.targetNamespace, actions, signal)),
      features: targetFeatures(deployment, collModAllowed),
      ...(freeBytes !== undefined && { freeBytes }),
      ...(found?.existing && {
        existing: { type: found.existing.type, documents: found.documents },
      }),
      ...(found?.leftover && { leftover: found.leftover }),
    },
  };
}

function targetFeatures({ featureVersion }: Deployment, collMod: boolean): TargetFeatures {
  return {
    ...finalFeatures(featureVersion, collMod),
    clustered: isAtLeast(featureVersion, 5, 3),
    preImages: isAtLeast(featureVersion, 6, 0),
  };
}

/** Name of a staging collection of some run. */
function someStaging(collection: string): string {
  return stagingName(collection, 0, SOME_TAG);
}

/** @returns whether the user may look around at all. */
function checkPrivileges(findings: Findings, namespace: string, privileges: Privileges): boolean {
  const { db, collection } = parseNamespace(namespace);
  const names = [collection, someStaging(collection), bufferName(collection), CONTROL_COLLECTION];
  const missing = targetActions.filter((action) =>
    names.some((name) => !privileges.allows(action, `${db}.${name}`)),
  );
  if (missing.length > 0) {
    findings.error(
      'targetPrivileges',
      `the user of the target lacks privileges on the database ${db} (collections ` +
        `${names.join(', ').replace(SOME_TAG, '<tag of the run>')}): ${missing.join(', ')}; the role readWrite ` +
        `on ${db} has them all, and a role of your own has to be for the whole database`,
    );
  }
  return !missing.some((action) => ['find', 'listCollections', 'listIndexes'].includes(action));
}

/** 255 bytes since 4.4, when both binaries and the featureCompatibilityVersion are of it; else 120. */
function checkNames(findings: Findings, namespace: string, { featureVersion }: Deployment): void {
  const { db, collection } = parseNamespace(namespace);
  const most = isAtLeast(featureVersion, 4, 4) ? 255 : 120;
  const longest = `${db}.${stagingName(collection, MOST_ROUND, SOME_TAG)}`;
  const length = Buffer.byteLength(longest);
  if (length <= most) return;
  findings.error(
    'targetNameTooLong',
    `the migration fills a collection of the name ${longest} at the target, which has ${length} ` +
      `bytes; the server allows ${most}: give a targetNamespace that is ${length - most} bytes shorter`,
  );
}
