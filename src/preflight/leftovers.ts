import type { Db, Document } from 'mongodb';
import { readNames } from '../mongo/catalogue.js';
import { CONTROL_KIND, type ControlDocument } from '../mongo/control-document.js';
import { isAtWork } from '../mongo/lag.js';
import { bufferName, CONTROL_COLLECTION, parseNamespace, stagingNames } from '../names.js';
import type { Findings, PreflightContext, RunId } from './report.js';

/** What an earlier run left at the target. */
export interface Leftovers {
  /** A run that has ended; the migration takes over what it left. */
  readonly leftover?: RunId;
  /** Whether the state there is that of the run that asks. */
  readonly isOurs: boolean;
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
    .collection<ControlDocument>(CONTROL_COLLECTION, { readPreference: 'primary' })
    .findOne({ _id: collection, kind: CONTROL_KIND });
  if (control?.workflowId === self.workflowId && control.runId === self.runId) {
    return { isOurs: true };
  }
  if (!control) {
    await checkUnclaimed(db, collection, findings);
    return { isOurs: false };
  }
  const { workflowId, runId } = control;
  const running = await isRunning(workflowId, runId);
  if (running ?? isAtWork(control)) {
    findings.error(
      'migrationExists',
      `the workflow ${workflowId} (run ${runId}) is migrating into ${options.targetNamespace}; ` +
        (running
          ? 'wait for its end or abort it'
          : 'this Temporal namespace does not know it, but it has written within the last minute: abort it ' +
            'where it runs, or wait a minute if it is over'),
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
  for (const taken of await readNames(db, bufferName(collection))) {
    findings.error(
      'nameTaken',
      `the collection ${db.databaseName}.${taken} at the target has a name that the migration ` +
        'needs, and no control document says that it is of an earlier one; drop or rename it',
    );
  }
  for (const found of await readNames(db, stagingNames(collection))) {
    findings.warn(
      'stagingLeft',
      `the collection ${db.databaseName}.${found} at the target has the name of a copy, and no control ` +
        'document says of which migration; it is not in the way: drop it if nothing needs it',
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
  const options = { projection: { _id: 1 }, readPreference: 'primary' } as const;
  const found = await db.collection(CONTROL_COLLECTION).findOne(filter, options);
  return found !== null;
}
