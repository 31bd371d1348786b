import type { Db } from 'mongodb';
import { CONTROL_COLLECTION } from '../names.js';
import { CONTROL_KIND, type ControlDocument } from './control-document.js';

/** What `cdc` says of one run, in short. */
export interface RunSummary {
  readonly control?: ControlDocument;
  /** In the target so far, of the present copy alone. */
  readonly copied: { readonly documents: number; readonly bytes: number };
  /** Documents that were compared in the pass over all of them. */
  readonly compared: number;
  /** Documents that are known to differ. */
  readonly differences: number;
}

interface Counted {
  readonly _id: { readonly runId: string; readonly round: number | null };
  readonly documents: number;
  readonly bytes: number;
  readonly compared: number;
  readonly differences: number;
}

/** The control documents of runs that a database has. */
export async function readControls(
  db: Db,
  runIds: readonly string[],
): Promise<readonly ControlDocument[]> {
  const controls = collectionOf(db).find({ kind: CONTROL_KIND, runId: { $in: runIds } });
  return controls.toArray() as unknown as Promise<ControlDocument[]>;
}

function collectionOf(db: Db) {
  return db.collection(CONTROL_COLLECTION, { readPreference: 'primary' });
}

/** Reads what the `cdc` of a database says of runs, in two commands however many there are. By run id. */
export async function readRuns(
  db: Db,
  runIds: readonly string[],
): Promise<Map<string, RunSummary>> {
  const [controls, counted] = await Promise.all([
    readControls(db, runIds),
    collectionOf(db)
      .aggregate<Counted>([
        { $match: { runId: { $in: runIds }, '_id.collection': { $exists: true } } },
        {
          $group: {
            _id: { runId: '$runId', round: { $ifNull: ['$_id.round', null] } },
            documents: { $sum: '$written' },
            bytes: { $sum: '$readBytes' },
            compared: {
              $sum: { $cond: [{ $ne: [{ $type: '$_id.verified' }, 'missing'] }, '$documents', 0] },
            },
            differences: {
              // Not those that may only be young.
              $sum: {
                $cond: [
                  { $ne: [{ $type: '$_id.open' }, 'missing'] },
                  { $size: { $ifNull: ['$ids', []] } },
                  0,
                ],
              },
            },
          },
        },
      ])
      .toArray(),
  ]);
  const keyOf = (runId: string, round: number | null) => `${round}/${runId}`;
  const byCopy = new Map(counted.map((each) => [keyOf(each._id.runId, each._id.round), each]));
  return new Map(
    controls.map((control) => {
      const { runId, round = null } = control;
      const counts = byCopy.get(keyOf(runId, round));
      const { documents = 0, bytes = 0, compared = 0, differences = 0 } = counts ?? {};
      return [runId, { control, copied: { documents, bytes }, compared, differences }];
    }),
  );
}
