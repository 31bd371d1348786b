import { BSON, type ClientSession } from 'mongodb';
import { chunks, idLimits } from './chunks.js';
import type { RawValue } from './raw.js';
import { isEnded } from './transaction.js';

/** Documents that are deleted at first, and what counts as quick and as slow, in ms. */
const FIRST = 100;
const QUICK_MS = 1_000;
const SLOW_MS = 5_000;

/** Whose transactions delete, and who is told after each. */
interface DeletingSession {
  readonly session: ClientSession;
  readonly touch: () => void | Promise<void>;
}

/** How many documents a session deletes at a time by now. */
const sizes = new WeakMap<ClientSession, number>();

/** The statement that deletes documents by `_id`. */
export function deleteStatement(ids: readonly RawValue[]): Uint8Array {
  return BSON.serialize({ q: { _id: { $in: ids } }, limit: 0 });
}

/** The statements that do: in a clustered collection one for each, since for a list a server reads all of it (6.0.5). */
export function deleteStatements(ids: readonly RawValue[], clustered = false): Uint8Array[] {
  return clustered ? ids.map((id) => deleteStatement([id])) : [deleteStatement(ids)];
}

/**
 * Deletes documents in transactions of some at a time. How large they are nobody knows here: a server has to read each,
 * and ends a transaction after a minute. So a few are deleted first, and more at a time while that is quick.
 * @param remove deletes some in one transaction of the session; throws what `isEnded` knows when that takes too long.
 */
export async function deleteInParts(
  ids: readonly RawValue[],
  { session, touch }: DeletingSession,
  remove: (part: readonly RawValue[]) => Promise<void>,
): Promise<void> {
  let items = sizes.get(session) ?? FIRST;
  for (let at = 0; at < ids.length;) {
    const limits = { ...idLimits, items };
    const [part = []] = chunks(ids.slice(at, at + items), ({ bytes }) => bytes.length, limits);
    const begun = performance.now();
    const isDone = await tryDelete(part, remove);
    const ms = performance.now() - begun;
    await touch();
    if (isDone) at += part.length;
    if (!isDone || ms > SLOW_MS) items = Math.max(1, part.length >> 3);
    else if (ms < QUICK_MS) items = Math.min(idLimits.items, Math.max(items, part.length * 4));
    sizes.set(session, items);
  }
}

/** @returns whether they are deleted; not where the server has ended the transaction again and again. */
async function tryDelete(
  part: readonly RawValue[],
  remove: (part: readonly RawValue[]) => Promise<void>,
): Promise<boolean> {
  try {
    await remove(part);
    return true;
  } catch (error) {
    if (!isEnded(error) || part.length === 1) throw error;
    return false;
  }
}
