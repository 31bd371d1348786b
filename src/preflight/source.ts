import { type Catalogue, indexName, readCatalogue, readNames } from '../mongo/catalogue.js';
import { readSize } from '../mongo/collection-size.js';
import { sourceActions } from '../mongo/privileges.js';
import { indexProblem, secondaryIndexes } from '../mongo/indexes.js';
import { type OplogWindow, probeWindow } from '../mongo/oplog-window.js';
import { runCommand } from '../mongo/raw.js';
import { parseNamespace } from '../names.js';
import { didYouMean } from '../nearest.js';
import { checkDeployment, type Deployment, describeSide, readDeployment } from './deployment.js';
import { checkMarker } from './marker.js';
import { permitted } from './refusal.js';
import type { Findings, PreflightContext, SourceReport } from './report.js';

/** All that was learnt of the source, for the checks that compare it with the target. */
export interface SourceState {
  readonly deployment: Deployment;
  readonly catalogue: Catalogue | undefined;
  readonly report: SourceReport;
}

/** Looks at the source: that it is there, of a kind that can be migrated, and may be read. */
export async function checkSource(
  context: PreflightContext,
  findings: Findings,
): Promise<SourceState> {
  const { source, options, signal } = context;
  const { db: name, collection } = parseNamespace(options.namespace);
  const db = source.db(name);
  const deployment = await readDeployment(source, signal);
  checkDeployment(findings, 'source', deployment);
  const list = attempt('List', `listCollections and listIndexes on ${name}`);
  const catalogue = await permitted(
    findings,
    list,
    async () => (await readCatalogue(db, collection, signal)) ?? null,
  );
  checkKind(findings, options.namespace, catalogue);
  if (catalogue === null && !collection.startsWith('system.')) {
    const names = await readNames(db, { $exists: true }, signal);
    findings.error('sourceMissing', missing(options.namespace, names));
  }
  // A view or a time series has neither a size nor a stream; unknown is not yet a no.
  const mayBeRead = !catalogue || catalogue.type === 'collection';
  const find = attempt('Find', `find on ${options.namespace}`);
  const size = mayBeRead
    ? await permitted(findings, find, async () => {
        await runCommand(db, { find: collection, limit: 1, projection: { _id: 1 } }, { signal });
        return readSize(db, collection, signal);
      })
    : undefined;
  const oplog = mayBeRead ? await checkStream(context, findings, deployment) : undefined;
  const markerActions = options.token === 'marker' ? ['insert', 'remove'] : [];
  const actions = [...sourceActions, ...markerActions];
  if (catalogue?.type === 'collection') {
    checkOptions(findings, options.namespace, catalogue);
    if (options.token === 'marker') await checkMarker(context, findings, catalogue);
  }
  return {
    deployment,
    catalogue: catalogue ?? undefined,
    report: {
      ...(await describeSide(source, deployment, options.namespace, actions, signal)),
      documents: size?.documents ?? 0,
      bytes: size?.bytes ?? 0,
      averageBytes: size?.averageBytes ?? 0,
      indexes: catalogue?.indexes.map(indexName) ?? [],
      options: [...(catalogue?.options.keys() ?? [])],
      ...(oplog && { oplogHours: oplog.hours, oplogAtLeast: oplog.atLeast }),
    },
  };
}

function attempt(what: string, privilege: string) {
  return { side: 'source', code: `source${what}Refused`, privilege };
}

function checkKind(
  findings: Findings,
  namespace: string,
  catalogue: Catalogue | null | undefined,
): void {
  if (parseNamespace(namespace).collection.startsWith('system.')) {
    findings.error(
      'sourceSystem',
      `${namespace} is one of MongoDB's own collections; give another`,
    );
  } else if (catalogue?.type === 'view') {
    findings.error(
      'sourceView',
      `${namespace} is a view, which has no data of its own; migrate the collection that it shows`,
    );
  } else if (catalogue?.type === 'timeseries') {
    findings.error(
      'sourceTimeSeries',
      `${namespace} is a time series collection, for which MongoDB has no change streams; copy it ` +
        'with mongodump and mongorestore while nothing writes to it',
    );
  }
}

function missing(namespace: string, names: readonly string[]): string {
  const { db } = parseNamespace(namespace);
  const near = didYouMean(
    namespace,
    names.map((name) => `${db}.${name}`),
  );
  const pattern = namespace.includes('*')
    ? '; patterns are for migrateCollections, which takes them in "namespaces"'
    : '';
  return `there is no collection ${namespace} at the source${near}; check the name, upper and lower case too${pattern}`;
}

/** Opens the stream and reads from it: the only sure sign that the capture will be allowed to. */
async function checkStream(
  { source, options, signal }: PreflightContext,
  findings: Findings,
  { topology, time }: Deployment,
): Promise<OplogWindow | undefined> {
  if (topology === 'standalone') return undefined;
  const { db: name, collection } = parseNamespace(options.namespace);
  if (collection.startsWith('system.')) return undefined;
  const privilege = `changeStream on ${options.namespace}`;
  return permitted(findings, attempt('Stream', privilege), async () => {
    const pipeline = [{ $match: { operationType: 'none' } }];
    const stream = source.db(name).collection(collection).watch(pipeline, { maxAwaitTimeMS: 1 });
    try {
      await stream.tryNext();
      if (!stream.resumeToken) {
        findings.error(
          'sourceNoToken',
          `the change stream of ${options.namespace} gives no resume token, without which a ` +
            'migration could not go on after a crash; is this a MongoDB server?',
        );
      }
    } finally {
      await stream.close();
    }
    return probeWindow(source.db(name), collection, time, signal);
  });
}

function checkOptions(findings: Findings, namespace: string, catalogue: Catalogue): void {
  if (catalogue.options.has('encryptedFields')) {
    findings.error(
      'sourceEncrypted',
      `${namespace} has fields of Queryable Encryption, whose state collections cannot be migrated`,
    );
  }
  for (const spec of secondaryIndexes(catalogue)) {
    const problem = indexProblem(spec);
    if (problem === undefined) continue;
    findings.error(
      'sourceIndex',
      `the index "${indexName(spec)}" of ${namespace} cannot be built by a server of today: ` +
        `${problem}; drop it at the source, or build it there in a valid form`,
    );
  }
}
