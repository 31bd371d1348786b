import { setTimeout as sleep } from 'node:timers/promises';
import type { Collection, Db, Document } from 'mongodb';
import { CONTROL_COLLECTION } from '../names.js';
import { readUuid } from './catalogue.js';
import { dropOwn } from './drop-own.js';

/**
 * Stands in `cdc` while its last user drops it. A migration that claims its control document at the
 * same moment sees it and waits; without it the claim could vanish with the collection.
 */
const CLOSING = { closing: true } as unknown as string;
/** A clean-up that took longer has died on the way. */
const CLOSING_MS = 10_000;
const POLL_MS = 50;

/** A document of `cdc`; the driver's types know no `_id` that is sometimes a document. */
interface ControlEntry extends Document {
  readonly _id: string;
}

/** Inserts a control document unless one of its `_id` exists, and returns once it is there to stay. */
export async function insertControl(db: Db, control: ControlEntry): Promise<void> {
  const collection = openControl(db);
  for (;;) {
    try {
      await collection.insertOne(control);
    } catch (error) {
      if ((error as { code?: number }).code !== 11000) throw error;
    }
    const found = await collection.find({ _id: { $in: [control._id, CLOSING] } }).toArray();
    const isClosing = found.some(({ _id }) => isClosingId(_id));
    if (!isClosing && found.length > 0) return;
    await collection.deleteOne({ _id: CLOSING, at: { $lt: staleBefore() } });
    await sleep(POLL_MS);
  }
}

/** Removes all documents of a run from `cdc`, and `cdc` itself when nothing else is in it. */
export async function removeControl(db: Db, id: string, runId: string): Promise<void> {
  const collection = openControl(db);
  await collection.deleteMany({ '_id.collection': id, runId });
  // The control document last: a clean-up that ends half-way is found and repeated.
  await collection.deleteMany({ _id: id, runId });
  if ((await collection.countDocuments({}, { limit: 1 })) > 0) return;
  const closedAt = Date.now();
  await collection.replaceOne({ _id: CLOSING }, { at: new Date(closedAt) }, { upsert: true });
  // Another one that leaves may drop it first, and a migration that comes make it anew.
  const uuid = await readUuid(db, CONTROL_COLLECTION);
  const others = await collection.countDocuments({ _id: { $ne: CLOSING } }, { limit: 1 });
  // Frozen for longer, somebody may have taken its sign away and claimed `cdc` since.
  if (Date.now() - closedAt > CLOSING_MS / 2) return;
  if (others > 0) await collection.deleteOne({ _id: CLOSING });
  else if (uuid) await dropOwn(db, CONTROL_COLLECTION, uuid);
}

function openControl(db: Db): Collection<ControlEntry> {
  return db.collection<ControlEntry>(CONTROL_COLLECTION, {
    writeConcern: { w: 'majority' },
    readPreference: 'primary',
  });
}

function isClosingId(id: unknown): boolean {
  return typeof id === 'object' && id !== null && 'closing' in id;
}

function staleBefore(): Date {
  return new Date(Date.now() - CLOSING_MS);
}
