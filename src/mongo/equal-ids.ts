import type { Document } from 'mongodb';
import { chunks, type ChunkLimits } from './chunks.js';
import { fields, idOf, type RawValue } from './raw.js';
import type { RawCursor } from './raw-cursor.js';

/** Each `_id` is compared with all others by the server, and is in the command twice. */
const pairLimits: ChunkLimits = { items: 500, bytes: 1024 * 1024 };

/** Something that names a document by its `_id`. */
interface Named {
  readonly id: RawValue;
}

/** Sends a command that answers with a cursor. */
type Read = (command: Document) => Promise<RawCursor>;

/** The command that finds documents of these `_id`s, or of such as are equal to them. */
export function findByIds(collection: string, named: readonly Named[], more: Document): Document {
  return { find: collection, filter: { _id: { $in: named.map(({ id }) => id) } }, ...more };
}

/**
 * Finds the documents whose `_id` is equal to that of an event, though its bytes are others. A replacement
 * may change them (5 to 5.0, letter case under a collation), and its event names the former `_id` alone:
 * no other event tells of the document. What is equal only the server knows; as a rule there is nothing.
 *
 * @param read reads not before the last of the events
 */
export async function* pairEqual<E extends Named>(
  collection: string,
  events: readonly E[],
  read: Read,
): AsyncGenerator<[E, Buffer]> {
  if (events.length === 0 || !(await findOne(collection, events, read))) return;
  const paired = new Set<E>();
  for (const part of chunks(events, ({ id }) => id.bytes.length, pairLimits)) {
    for await (const [event, document] of pairAtOnce(collection, part, read)) {
      paired.add(event);
      yield [event, document];
    }
  }
  // Of several events that are equal the server has told the first only; and a document may have changed again.
  yield* pairByHalves(
    collection,
    events.filter((event) => !paired.has(event)),
    read,
  );
}

/** Asks the server which `_id` of a document is equal to which event's, and then for these documents. */
async function* pairAtOnce<E extends Named>(
  collection: string,
  events: readonly E[],
  read: Read,
): AsyncGenerator<[E, Buffer]> {
  const ids = events.map(({ id }) => id);
  const at = { $indexOfArray: [{ $literal: ids }, '$_id'] };
  const pipeline = [{ $match: { _id: { $in: ids } } }, { $project: { at } }];
  const found = new Map<string, { readonly id: RawValue; readonly event: E }>();
  await using pairs = await read({ aggregate: collection, pipeline, cursor: {} });
  for await (const { documents } of pairs) {
    for (const document of documents) {
      const index = fields(document).get('at');
      const event = index && events[Buffer.from(index.bytes).readInt32LE()];
      const id = idOf(document);
      if (event) found.set(id.key, { id, event });
    }
  }
  const equal = [...found.values()];
  if (equal.length === 0) return;
  await using replies = await read(findByIds(collection, equal, { batchSize: equal.length }));
  for await (const { documents } of replies) {
    for (const document of documents) {
      const pair = found.get(idOf(document).key);
      if (pair) yield [pair.event, document];
    }
  }
}

async function* pairByHalves<E extends Named>(
  collection: string,
  events: readonly E[],
  read: Read,
): AsyncGenerator<[E, Buffer]> {
  const [event] = events;
  if (!event) return;
  const document = await findOne(collection, events, read);
  if (!document) return;
  if (events.length === 1) {
    yield [event, document];
    return;
  }
  const half = events.length >> 1;
  yield* pairByHalves(collection, events.slice(0, half), read);
  yield* pairByHalves(collection, events.slice(half), read);
}

/** A document of any of these `_id`s. */
async function findOne(
  collection: string,
  named: readonly Named[],
  read: Read,
): Promise<Buffer | undefined> {
  await using found = await read(findByIds(collection, named, { limit: 1, singleBatch: true }));
  return (await found.next()).documents[0];
}
