import type { Db, Document } from 'mongodb';
import type { Buffered } from './buffer.js';
import { type Change, encodeChange } from './change.js';
import type { ChangeEvent } from './change-event.js';
import { chunks, idLimits } from './chunks.js';
import { pairEqual } from './equal-ids.js';
import { findByIds, limitsOf } from './find-by-ids.js';
import type { ReadPace } from './pace.js';
import { idOf, type RawValue } from './raw.js';
import { majorityAfter, RawCursor, type RawCursorOptions } from './raw-cursor.js';

/**
 * Changes are inserted before all of them are at hand when they have this many bytes: bounds memory where documents are
 * larger than those before.
 */
const INSERT_BYTES = 16 * 1024 * 1024;

/** From where to where changes go. */
export interface ChangeRoute {
  readonly source: Db;
  readonly collection: string;
  readonly buffer: Buffered;
  /** Keep a document's first change beside its last: it says where it stands in a capped collection. */
  readonly natural: boolean;
  /** The collection is clustered at the source: see `Finding`. */
  readonly clustered?: boolean | undefined;
  /** How fast documents are read back; without it as fast as it goes. */
  readonly pace?: ReadPace | undefined;
  /** Called when the work has moved. */
  readonly touch?: () => void;
}

/** What came of some events. */
export interface StoredChanges {
  readonly events: number;
  /** Changes that were kept, and their bytes. */
  readonly buffered: number;
  readonly bytes: number;
}

/** Event with an `_id`. */
type DocumentEvent = ChangeEvent & { readonly id: RawValue };

/**
 * Puts the changes that events tell of into the buffer, each with the document as it is at the source by
 * now, but not before the last of the events.
 */
export async function storeChanges(
  route: ChangeRoute,
  events: readonly ChangeEvent[],
  signal: AbortSignal,
): Promise<StoredChanges> {
  // One event per document is enough: the document is read after all of them.
  const last = new Map<string, DocumentEvent>();
  // Where order counts the first one too, which says where the document stands. Not the first alone: an
  // attempt that was lost may have buffered that event with an older document, and then it stays so.
  const first = new Map<string, DocumentEvent>();
  // One that is inserted again stands at the end: its delete counts too.
  const deleted = new Map<string, DocumentEvent>();
  for (const event of events.filter(isOfDocument)) {
    const { key } = event.id;
    last.set(key, event);
    if (!route.natural) continue;
    if (event.operation === 'delete') {
      first.delete(key);
      deleted.set(key, event);
    } else if (!first.has(key)) first.set(key, event);
  }
  const { collection, pace, clustered } = route;
  const writer = new ChangeWriter(route, signal);
  const time = events.at(-1)?.time;
  const reading: RawCursorOptions = pace
    ? {
        signal,
        get batchSize() {
          return pace.batchSize(idLimits.items);
        },
      }
    : { signal };
  const read = (command: Document): Promise<RawCursor> => {
    route.touch?.();
    const readConcern = majorityAfter(time);
    return RawCursor.open(route.source, { ...command, readConcern }, reading);
  };
  const add = (event: DocumentEvent, document: Buffer, id: RawValue): void => {
    if (route.natural) {
      const gone = deleted.get(event.id.key);
      if (gone) writer.add(gone);
      const earlier = first.get(event.id.key);
      if (earlier && earlier !== event) writer.add(earlier, document, id);
    }
    writer.add(event, document, id);
  };

  const living: DocumentEvent[] = [];
  for (const event of last.values()) {
    if (event.operation === 'delete') writer.add(event);
    else living.push(event);
  }
  for (const part of chunks(living, ({ id }) => id.bytes.length, limitsOf(route))) {
    const wanted = new Map(part.map((event) => [event.id.key, event]));
    const batchSize = pace?.batchSize(part.length + 1);
    const ids = part.map(({ id }) => id);
    await using found = await read(findByIds(collection, ids, { clustered, batchSize }));
    for await (const { documents, bytes } of found) {
      await pace?.spend({ documents: documents.length, bytes });
      for (const document of documents) {
        const id = idOf(document);
        const event = wanted.get(id.key);
        if (!event) continue;
        wanted.delete(id.key);
        add(event, document, id);
        // An await for each document would cost as much as the rest.
        if (writer.isFull) await writer.flush();
      }
    }
    for await (const [event, document] of pairEqual({ collection, clustered, read }, [
      ...wanted.values(),
    ])) {
      wanted.delete(event.id.key);
      add(event, document, idOf(document));
      if (writer.isFull) await writer.flush();
    }
    // Gone by now: its delete follows in the stream, and deleting it here already does no harm.
    for (const event of wanted.values()) writer.add(event);
  }
  await writer.end(events);
  return { events: events.length, buffered: writer.buffered, bytes: writer.bytes };
}

/** Collects changes and inserts them, all of them together if they are not too large for that. */
class ChangeWriter {
  buffered = 0;
  bytes = 0;
  readonly #route: ChangeRoute;
  readonly #signal: AbortSignal;
  #waiting = new Map<ChangeEvent, Change>();
  #waitingBytes = 0;
  /** Whether nothing was inserted yet, so that what is can be in stream order. */
  #isWhole = true;

  constructor(route: ChangeRoute, signal: AbortSignal) {
    this.#route = route;
    this.#signal = signal;
  }

  /** `id`: the document's own, which is equal to the event's and may have other bytes. */
  add(event: DocumentEvent, document?: Buffer, id = event.id): void {
    const { token, time } = event;
    const was = id.key === event.id.key ? undefined : event.id;
    const bytes = encodeChange(token, id, document, was);
    this.#waiting.set(event, { token, time, bytes });
    this.#waitingBytes += bytes.length;
  }

  /** Whether so much is at hand that it has to be inserted. */
  get isFull(): boolean {
    return this.#waitingBytes > INSERT_BYTES;
  }

  /** Inserts what is at hand, in no order. */
  async flush(): Promise<void> {
    this.#isWhole = false;
    const changes = [...this.#take().values()];
    this.bytes += await this.#route.buffer.insertEach(changes, this.#signal);
    this.#route.touch?.();
  }

  /** Inserts the last of what came of some events. */
  async end(events: readonly ChangeEvent[]): Promise<void> {
    if (this.#waiting.size === 0) return;
    // One that is repeated must not put an end to a capped collection's order.
    if (!this.#isWhole || this.#route.natural) return this.flush();
    const waiting = this.#take();
    const changes = events.flatMap((event) => waiting.get(event) ?? []);
    this.bytes += await this.#route.buffer.insert(changes, this.#signal);
    this.#route.touch?.();
  }

  #take(): Map<ChangeEvent, Change> {
    const waiting = this.#waiting;
    this.buffered += waiting.size;
    this.#waiting = new Map();
    this.#waitingBytes = 0;
    return waiting;
  }
}

function isOfDocument(event: ChangeEvent): event is DocumentEvent {
  return event.id !== undefined;
}
