import { BSON, type Timestamp } from 'mongodb';
import { aloneLength } from './bundle.js';
import { fields, hasEmptyTimestampOrDollarName, type RawValue } from './raw.js';

/** A change that is to be kept. */
export interface Change {
  /** Of its event. */
  readonly token: string;
  readonly time: Timestamp;
  /** As `encodeChange` builds it. */
  readonly bytes: Buffer;
}

/**
 * What replay does with a buffered change:
 * - `upsert`: write the document, by `$merge` in the server;
 * - `delete`: remove the document of this `_id`;
 * - `exact`: write the document, but by the worker: `$merge` refuses or alters it;
 * - `reference`: read the document from the source and write it: with it the change would not fit
 *   into the buffer.
 */
export type ChangeKind = 'upsert' | 'delete' | 'exact' | 'reference';

/** The kinds as they stand in the buffer's field `o`. */
export const changeCodes: Readonly<Record<ChangeKind, string>> = {
  upsert: 'u',
  delete: 'd',
  exact: 'x',
  reference: 'r',
};

/** Up to so many bytes a loop is faster than a copy by native code. */
const SHORT = 32;
/** Largest document that a server takes. */
const MAX_DOCUMENT = 16 * 1024 * 1024;
const NULL = 0x0a;

/**
 * Builds a change as it stands in a bundle: `o` kind, `k.i` the changed `_id`, `k.w` what it was if the
 * change gave it other bytes that are equal, `n` length of the document in bytes, `d` the document.
 * @param token of its event, with which it has to fit into a bundle that is its own.
 */
export function encodeChange(
  token: string,
  id: RawValue,
  document?: Buffer,
  was?: RawValue,
): Buffer {
  const envelope = envelopeLength(id, was);
  const kind = kindOf(envelope + aloneLength(token), id, document);
  const body = kind === 'delete' || kind === 'reference' ? undefined : document;
  const bytes = Buffer.allocUnsafe(envelope + (body ? 3 + body.length : 0));
  let at = bytes.writeInt32LE(bytes.length, 0);
  at = put(bytes, at, parts.kinds[kind]);
  at = bytes.writeInt32LE(keyLength(id, was), at);
  at = putValue(bytes, at, 'i', id);
  if (was) at = putValue(bytes, at, 'w', was);
  bytes[at++] = 0;
  at = put(bytes, at, parts.length);
  at = bytes.writeInt32LE(document?.length ?? 0, at);
  if (body) at = put(bytes, put(bytes, at, parts.document), body);
  bytes[at] = 0;
  return bytes;
}

/** What is the same in all changes; a write of text is a call into native code, a dozen of them for each change. */
const parts = {
  /** `o`, and the begin of `k`. */
  kinds: {
    upsert: kindPart('upsert'),
    delete: kindPart('delete'),
    exact: kindPart('exact'),
    reference: kindPart('reference'),
  },
  length: Buffer.from('\x10n\0', 'latin1'),
  document: Buffer.from('\x03d\0', 'latin1'),
} as const;

function kindPart(kind: ChangeKind): Buffer {
  return Buffer.from(`\x02o\0\x02\0\0\0${changeCodes[kind]}\0\x03k\0`, 'latin1');
}

/** @returns where it ends. */
function put(bytes: Buffer, at: number, part: Uint8Array): number {
  if (part.length > SHORT) bytes.set(part, at);
  else for (let index = 0; index < part.length; index++) bytes[at + index] = part[index] ?? 0;
  return at + part.length;
}

function putValue(
  bytes: Buffer,
  at: number,
  name: 'i' | 'w',
  { type, bytes: value }: RawValue,
): number {
  bytes[at] = type;
  bytes[at + 1] = name.charCodeAt(0);
  bytes[at + 2] = 0;
  return put(bytes, at + 3, value);
}

/** The change as a reference, which is read from the source when it is replayed. */
export function withoutDocument(change: Change): Change {
  const kept = [...fields(change.bytes)].filter(([name]) => name !== 'd');
  const reference = Object.fromEntries(kept) as Record<string, unknown>;
  const bytes = BSON.serialize({ ...reference, o: changeCodes.reference });
  return { ...change, bytes: Buffer.from(bytes) };
}

/** Whether `$merge` would refuse or alter the document, so that the worker has to write it. */
export function needsExactWrite(id: RawValue, document: Buffer): boolean {
  return id.type === NULL || hasEmptyTimestampOrDollarName(document);
}

function kindOf(envelope: number, id: RawValue, document?: Buffer): ChangeKind {
  if (!document) return 'delete';
  if (envelope + 3 + document.length > MAX_DOCUMENT) return 'reference';
  return needsExactWrite(id, document) ? 'exact' : 'upsert';
}

function envelopeLength(id: RawValue, was?: RawValue): number {
  // length 4, o 3+4+2, k 3+key, n 3+4, end 1
  return 24 + keyLength(id, was);
}

function keyLength(id: RawValue, was?: RawValue): number {
  // length 4, each 1+2+value, end 1
  return 8 + id.bytes.length + (was ? 3 + was.bytes.length : 0);
}
