import type { Db, Document } from 'mongodb';
import { errorTypes, PermanentError, TransientError } from '../errors.js';
import { CONTROL_COLLECTION, stagingName } from '../names.js';
import { readCatalogue } from './catalogue.js';
import type { Control } from './control.js';
import type { ControlDocument } from './control-document.js';
import { dropOwn } from './drop-own.js';

/** What a control document says of a copy that is no longer wanted, and not of the next one. */
const OF_THE_COPY = [
  'stagingUuid',
  'renamed',
  'caughtUp',
  'refused',
  'leftOut',
  'holder',
  'replay.through',
  'replay.time',
  'replay.asOf',
  'replay.uncomparedFrom',
  'replay.drained',
  'verify.through',
  'verify.asOf',
  'verify.events',
  'verify.pass',
  'verify.wholeAt',
  'verify.nextAt',
  'shape.left',
] as const;

/**
 * Begins the next round in the control document, in one statement: from then on nothing that belongs to
 * the copy before holds. Capture is not touched. Where the replay stopped the next one begins: all that the
 * new copy may not have read comes after that. A repeated call only takes the next epoch of the replay.
 *
 * What holds the migration is let go: as long as a cutover that anybody knows of is under way nobody
 * discards a copy, so it is that of an attempt which was cut off, and its epochs have passed then.
 * @returns the document after it; nothing when the copy of that round has its name already.
 * @throws PermanentError PreflightFailed when a cutover has opened the target.
 */
export async function beginRound(
  control: Control,
  round: number,
): Promise<ControlDocument | undefined> {
  const collection = controls(control.db);
  const own = { _id: control.id, runId: control.runId };
  const next = (role: string) => ({ $add: [{ $ifNull: [`$${role}.epoch`, 0] }, 1] });
  const begun = await collection.findOneAndUpdate(
    { ...own, fence: { $exists: false }, round: { $not: { $gte: round } } },
    [
      {
        $set: {
          round,
          discarded: '$stagingUuid',
          'replay.epoch': next('replay'),
          'replay.from': { $ifNull: ['$replay.through', '$replay.from'] },
          'replay.rate': 0,
          'verify.epoch': next('verify'),
          'shape.epoch': next('shape'),
        },
      },
      { $unset: [...OF_THE_COPY] },
    ],
    { returnDocument: 'after' },
  );
  if (begun) {
    await control.fenceBefore(begun.replay.epoch);
    return begun;
  }
  const { fence } = await control.read();
  if (fence) {
    throw new PermanentError(
      errorTypes.preflightFailed,
      'a cutover has opened the target already, where applications may have written since: its ' +
        'collection is not discarded',
    );
  }
  const again = { ...own, round, renamed: { $ne: true } };
  const taken = await collection.findOneAndUpdate(
    again,
    { $inc: { 'replay.epoch': 1 } },
    { returnDocument: 'after' },
  );
  if (taken) await control.fenceBefore(taken.replay.epoch);
  return taken ?? undefined;
}

/**
 * Drops what the copies before a round have filled: their staging collections, and the one that had
 * its final name, which is known by its UUID. Does no harm to a later copy, however late it comes.
 */
export async function dropCopies(
  db: Db,
  collection: string,
  { round = 0, stagingTag, discarded }: Pick<ControlDocument, 'round' | 'stagingTag' | 'discarded'>,
): Promise<void> {
  // These first: a late rename then finds nothing, or is found below.
  for (let before = 0; before < round; before++) {
    await dropOwn(db, stagingName(collection, before, stagingTag), undefined);
  }
  const found = discarded && (await readCatalogue(db, collection));
  if (found && found.uuid?.equals(discarded)) await dropOwn(db, collection, discarded);
}

/**
 * Looks that the final name is free, or this copy's own.
 * @throws TransientError PreflightFailed when somebody else's collection has it.
 */
export async function checkNameIsFree(
  db: Db,
  collection: string,
  { stagingUuid }: Pick<ControlDocument, 'stagingUuid'>,
): Promise<void> {
  const found = await readCatalogue(db, collection);
  if (!found || (stagingUuid && found.uuid?.equals(stagingUuid))) return;
  throw new TransientError(
    errorTypes.preflightFailed,
    `another collection has the name ${db.databaseName}.${collection} at the target, which this ` +
      'migration has not made; drop or rename it: the copy then begins by itself',
  );
}

/** Removes plan, comparison and refused documents of the rounds before this one. */
export async function removeRounds(control: Control, round: number): Promise<void> {
  await controls(control.db).deleteMany({
    '_id.collection': control.id,
    runId: control.runId,
    '_id.round': { $not: { $gte: round } },
    // That of the replay's epoch is no round's.
    '_id.fence': { $exists: false },
  });
}

function controls(db: Db) {
  return db.collection<ControlDocument & Document>(CONTROL_COLLECTION, {
    writeConcern: { w: 'majority' },
    readPreference: 'primary',
  });
}
