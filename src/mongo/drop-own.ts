import { type Db, MongoServerError, type UUID } from 'mongodb';
import { collectionUuid } from './buffer.js';
import { readUuid } from './catalogue.js';
import { runCommand } from './raw.js';

const NAMESPACE_NOT_FOUND = 26;
const UUID_MISMATCH = 361;

/**
 * Drops a collection that this migration has made: one that comes late leaves alone what a later migration
 * has made under the same name. The UUID is looked at before, and where the server can check it (6.0) the drop
 * names it.
 * @returns whether another collection has the name, which stays.
 */
export async function dropOwn(
  db: Db,
  name: string,
  uuid: UUID | null | undefined,
): Promise<'dropped' | 'another'> {
  let checked = {};
  if (uuid) {
    const checkable = await collectionUuid(db, name);
    const found = checkable ?? (await readUuid(db, name));
    // A drop by the name alone would meet what comes after it.
    if (!found) return 'dropped';
    if (!found.equals(uuid)) return 'another';
    if (checkable) checked = { collectionUUID: uuid };
  }
  try {
    await runCommand(db, { drop: name, ...checked, writeConcern: { w: 'majority' } });
  } catch (error) {
    const code = error instanceof MongoServerError ? error.code : undefined;
    if (code === UUID_MISMATCH) return 'another';
    if (code !== NAMESPACE_NOT_FOUND) throw error;
  }
  return 'dropped';
}
