import type { Document } from 'mongodb';
import { chunks } from './chunks.js';
import { findByIds, limitsOf, pairStages } from './find-by-ids.js';
import { fields, idOf, type RawValue } from './raw.js';
import type { RawCursor } from './raw-cursor.js';

/** Each `_id` is compared with all others by the server, and is in the command twice. */
const MOST_PAIRED = { items: 500, bytes: 1024 * 1024 } as const;

/** Something that names a document by its `_id`. */
interface Named {
  readonly id: RawValue;
}

/** A collection, and how it is read. */
export interface Pairing {
  readonly collection: string;
  readonly clustered?: boolean | undefined;
  /** Sends a command that answers with a cursor, which reads not before the last of the events. */
  readonly read: (command: Document) => Promise<RawCursor>;
}

/**
 * Finds the documents whose `_id` is equal to that of an event, though its bytes are others. A replacement
 * may change them (5 to 5.0, letter case under a collation), and its event names the former `_id` alone:
 * no other event tells of the document. What is equal only the server knows; as a rule there is nothing.
 */
export async function* pairEqual<E extends Named>(
  pairing: Pairing,
  events: readonly E[],
): AsyncGenerator<[E, Buffer]> {
  if (events.length === 0 || !(await findOne(pairing, events))) return;
  const paired = new Set<E>();
  const items = Math.min(MOST_PAIRED.items, limitsOf(pairing).items);
  for (const part of chunks(events, ({ id }) => id.bytes.length, { ...MOST_PAIRED, items })) {
    for await (const [event, document] of pairAtOnce(pairing, part)) {
      paired.add(event);
      yield [event, document];
    }
  }
  // Of several events that are equal the server has told the first only; and a document may have changed again.
  yield* pairByHalves(
    pairing,
    events.filter((event) => !paired.has(event)),
  );
}

/** Asks the server which `_id` of a document is equal to which event's, and then for these documents. */
async function* pairAtOnce<E extends Named>(
  { collection, clustered, read }: Pairing,
  events: readonly E[],
): AsyncGenerator<[E, Buffer]> {
  const pipeline = pairStages(collection, idsOf(events), { clustered });
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
  await using replies = await read(findByIds(collection, idsOf(equal), { clustered }));
  for await (const { documents } of replies) {
    for (const document of documents) {
      const pair = found.get(idOf(document).key);
      if (pair) yield [pair.event, document];
    }
  }
}

async function* pairByHalves<E extends Named>(
  pairing: Pairing,
  events: readonly E[],
): AsyncGenerator<[E, Buffer]> {
  const [event] = events;
  if (!event) return;
  const document = await findOne(pairing, events);
  if (!document) return;
  if (events.length === 1) {
    yield [event, document];
    return;
  }
  const half = events.length >> 1;
  yield* pairByHalves(pairing, events.slice(0, half));
  yield* pairByHalves(pairing, events.slice(half));
}

/** A document of any of these `_id`s. */
async function findOne(
  { collection, clustered, read }: Pairing,
  named: readonly Named[],
): Promise<Buffer | undefined> {
  for (const part of chunks(idsOf(named), ({ bytes }) => bytes.length, limitsOf({ clustered }))) {
    await using found = await read(findByIds(collection, part, { clustered, limit: 1 }));
    const [document] = (await found.next()).documents;
    if (document) return document;
  }
  return undefined;
}

function idsOf(named: readonly Named[]): RawValue[] {
  return named.map(({ id }) => id);
}
