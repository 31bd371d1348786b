import type { Collection, Document } from 'mongodb';

/** Something in which two collections are not the same; texts for people. */
export interface Difference {
  readonly what: string;
  readonly source: string;
  readonly target: string;
}

/** Result of a comparison. */
export interface Comparison {
  readonly documents: number;
  readonly bytes: number;
  readonly count: number;
  /** The first of the differences. */
  readonly first: readonly Difference[];
}

const SHOWN = 10;
/** Documents that wait for their counterpart; with more there is nothing left to compare. */
const MOST_WAITING = 20_000;
const BATCH = 1_000;
/** Of longer documents only what is around the first difference is shown. */
const MOST_SHOWN_BYTES = 2_000;
const ABSENT = 'no such document';

/**
 * Compares documents byte for byte. It shares nothing with the product: no reading of replies, no walking of
 * documents, no pairing. Both sides come in the order of `_id`, so that equal collections give equal streams;
 * where they do not, documents wait for a counterpart with the same bytes in their `_id`.
 *
 * @throws Error when more than 20,000 documents of one side wait
 */
export async function compareStreams(
  source: AsyncIterator<Buffer>,
  target: AsyncIterator<Buffer>,
): Promise<Comparison> {
  const waiting = { source: new Map<string, Buffer>(), target: new Map<string, Buffer>() };
  const first: Difference[] = [];
  let [count, documents, bytes] = [0, 0, 0];
  let shift: readonly [number, string, string] | undefined;
  const note = (id: string, here: Buffer | undefined, there: Buffer | undefined): void => {
    count++;
    if (first.length < SHOWN) first.push(describe(id, here, there));
  };
  for (;;) {
    const [here, there] = await Promise.all([take(source), take(target)]);
    if (!here && !there) break;
    documents += here ? 1 : 0;
    bytes += here?.length ?? 0;
    if (here && there && here.equals(there)) continue;
    if (here && there) shift ??= [documents, idHex(here), idHex(there)];
    if (here) meet(here, waiting.target, waiting.source, (other) => [here, other], note);
    if (there) meet(there, waiting.source, waiting.target, (other) => [other, there], note);
  }
  for (const [id, document] of waiting.source) note(id, document, undefined);
  for (const [id, document] of waiting.target) note(id, undefined, document);
  if (count === 0 && shift) {
    count = 1;
    first.push({ what: `order from document ${shift[0]}`, source: shift[1], target: shift[2] });
  }
  return { documents, bytes, count, first };
}

/** All documents of a collection as bytes, in the order of `_id` or as they lie there. */
export async function* readAll(
  collection: Collection,
  order: '_id' | 'natural' = '_id',
): AsyncGenerator<Buffer, undefined> {
  const found = collection.find(
    {},
    { raw: true, batchSize: BATCH, readConcern: { level: 'majority' } },
  );
  const sorted = order === '_id' ? found.sort({ _id: 1 }) : found.hint({ $natural: 1 });
  for await (const document of sorted as AsyncIterable<Document>) {
    if (!(document instanceof Uint8Array)) throw new Error('the driver did not return bytes');
    yield Buffer.from(document.buffer, document.byteOffset, document.byteLength);
  }
  return undefined;
}

/** Bytes of the `_id`, with its type, as hex: servers keep it first. */
export function idHex(document: Buffer): string {
  const type = document.readUInt8(4);
  if (document.toString('latin1', 5, 9) !== '_id\0') throw new Error('a document without _id');
  const size = lengthOf(type, document.subarray(9));
  return `${document.subarray(4, 5).toString('hex')} ${document.subarray(9, 9 + size).toString('hex')}`;
}

function lengthOf(type: number, rest: Buffer): number {
  if ([0x06, 0x0a, 0x7f, 0xff].includes(type)) return 0;
  if (type === 0x08) return 1;
  if (type === 0x10) return 4;
  if (type === 0x07) return 12;
  if (type === 0x13) return 16;
  if ([0x01, 0x09, 0x11, 0x12].includes(type)) return 8;
  const stated = rest.readInt32LE(0);
  if ([0x03, 0x04, 0x0f].includes(type)) return stated;
  if ([0x02, 0x0d, 0x0e].includes(type)) return 4 + stated;
  if (type === 0x05) return 5 + stated;
  if (type === 0x0c) return 16 + stated;
  throw new Error(`an _id of type ${type}`);
}

async function take(stream: AsyncIterator<Buffer>): Promise<Buffer | undefined> {
  const { done, value } = await stream.next();
  return done === true ? undefined : value;
}

function meet(
  document: Buffer,
  others: Map<string, Buffer>,
  own: Map<string, Buffer>,
  sides: (other: Buffer) => readonly [Buffer, Buffer],
  note: (id: string, here: Buffer, there: Buffer) => void,
): void {
  const id = idHex(document);
  const other = others.get(id);
  if (!other) {
    if (own.size >= MOST_WAITING) {
      throw new Error(`more than ${MOST_WAITING} documents of one side have no counterpart`);
    }
    // A copy: the driver's bytes are part of a whole batch.
    own.set(id, Buffer.from(document));
    return;
  }
  others.delete(id);
  if (!other.equals(document)) note(id, ...sides(other));
}

function describe(id: string, here: Buffer | undefined, there: Buffer | undefined): Difference {
  const at = here && there ? firstDifference(here, there) : 0;
  const show = (document: Buffer | undefined): string => {
    if (!document) return ABSENT;
    const shown =
      document.length <= MOST_SHOWN_BYTES
        ? document.toString('hex')
        : `…${document.subarray(Math.max(0, at - 100), at + 200).toString('hex')}…`;
    return `${document.length} bytes, other from byte ${at}: ${shown}`;
  };
  return { what: `document with _id ${id}`, source: show(here), target: show(there) };
}

function firstDifference(one: Buffer, other: Buffer): number {
  const least = Math.min(one.length, other.length);
  // The length stands in the first four bytes, and says nothing of the place.
  for (let at = 4; at < least; at++) if (one[at] !== other[at]) return at;
  return least;
}
