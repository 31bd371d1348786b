import type { Db, Document } from 'mongodb';
import { CONTROL_KIND } from '../mongo/control-document.js';
import { bufferName, CONTROL_COLLECTION, parseNamespace, stagingNames } from '../names.js';
import type { Findings, PreflightContext, RunId } from './report.js';

/** What an earlier run left at the target. */
export interface Leftovers {
  /** A run that has ended; the migration takes over what it left. */
  readonly leftover?: RunId;
  /** Whether the state there is that of the run that asks. */
  readonly isOurs: boolean;
}

interface ControlState extends RunId {
  readonly _id: string;
  readonly kind: string;
}

/**
 * Looks for state of other migrations where this one will keep its own: `cdc`, the buffer and the
 * staging collection of the target's database.
 */
export async function checkLeftovers(
  { target, options, self, isRunning }: PreflightContext,
  findings: Findings,
): Promise<Leftovers> {
  const { db: name, collection } = parseNamespace(options.targetNamespace);
  const db = target.db(name);
  if (await hasForeignDocuments(db)) {
    findings.error(
      'controlConflict',
      `the collection ${name}.${CONTROL_COLLECTION} at the target holds documents that are not of ` +
        'this tool, which keeps its state there; rename it, or give a targetNamespace in another database',
    );
  }
  const control = await db
    .collection<ControlState>(CONTROL_COLLECTION)
    .findOne({ _id: collection, kind: CONTROL_KIND });
  if (control?.workflowId === self.workflowId && control.runId === self.runId) {
    return { isOurs: true };
  }
  if (!control) {
    await checkUnclaimed(db, collection, findings);
    return { isOurs: false };
  }
  const { workflowId, runId } = control;
  if (await isRunning(workflowId, runId)) {
    findings.error(
      'migrationExists',
      `the workflow ${workflowId} (run ${runId}) is migrating into ${options.targetNamespace}; wait ` +
        'for its end or abort it',
    );
    return { isOurs: false };
  }
  findings.warn(
    'leftover',
    `the workflow ${workflowId} (run ${runId}) has ended and left its state for ` +
      `${options.targetNamespace} at the target; it will be removed`,
  );
  return { leftover: { workflowId, runId }, isOurs: false };
}

/** Without a control document nobody can say whose these are: they stay untouched. */
async function checkUnclaimed(db: Db, collection: string, findings: Findings): Promise<void> {
  const names = { $in: [bufferName(collection), stagingNames(collection)] };
  const found = await db.listCollections({ name: names }, { nameOnly: true }).toArray();
  for (const { name: taken } of found) {
    findings.error(
      'nameTaken',
      `the collection ${db.databaseName}.${taken} at the target has a name that the migration ` +
        'needs, and no control document says that it is of an earlier one; drop or rename it',
    );
  }
}

async function hasForeignDocuments(db: Db): Promise<boolean> {
  // A migration keeps more there than its control document: what names the collection and the run,
  // and for a moment the sign that `cdc` is being dropped.
  const filter: Document = {
    kind: { $ne: CONTROL_KIND },
    $nor: [
      { '_id.collection': { $type: 'string' }, runId: { $type: 'string' } },
      { '_id.closing': true },
    ],
  };
  const found = await db.collection(CONTROL_COLLECTION).findOne(filter, { projection: { _id: 1 } });
  return found !== null;
}
