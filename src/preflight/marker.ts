import { BSON, Int32 } from 'mongodb';
import type { Catalogue } from '../mongo/catalogue.js';
import { MARKER_FIELD } from '../mongo/marker.js';
import { readPrivileges } from '../mongo/privileges.js';
import { parseNamespace } from '../names.js';
import { permitted } from './refusal.js';
import type { Findings, PreflightContext } from './report.js';

/** `_id` of the document that `token: "marker"` inserts and deletes at the source. */
const MARKER_ID = new Int32(-1);

/** Whether the marker may be written: nothing of an application has its place, or has to make room for it. */
export async function checkMarker(
  { source, options, signal }: PreflightContext,
  findings: Findings,
  catalogue: Catalogue,
): Promise<void> {
  const { namespace } = options;
  const { db: name, collection } = parseNamespace(namespace);
  const db = source.db(name);
  const { allows } = await readPrivileges(db, signal);
  const missing = ['insert', 'remove'].filter((action) => !allows(action, namespace));
  if (missing.length > 0) {
    findings.error(
      'markerRefused',
      `token "marker" writes to the source, but its user lacks ${missing.join(' and ')} on ` +
        `${namespace}; grant it, or use token "stream", which only reads`,
    );
  }
  if (catalogue.options.has('capped')) {
    findings.error(
      'markerCapped',
      `token "marker" inserts and deletes a document, and ${namespace} is a capped collection: where it is full, ` +
        'the insert makes it drop its oldest document, and before 5.0 it allows no delete; use token "stream", ' +
        'which only reads',
    );
  }
  const attempt = { side: 'source', code: 'sourceFindRefused', privilege: `find on ${namespace}` };
  const found = await permitted(findings, attempt, () =>
    db.collection<{ _id: Int32 }>(collection).findOne({ _id: MARKER_ID }),
  );
  if (!found || MARKER_FIELD in found) return;
  findings.error(
    'markerTaken',
    `token "marker" inserts and deletes the document with _id ${BSON.EJSON.stringify(MARKER_ID)}, ` +
      `but ${namespace} has a document of its own with it; use token "stream"`,
  );
}
