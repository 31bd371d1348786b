import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import {
  BSON,
  BSONType,
  type ClientSession,
  type Db,
  type Document,
  type ReadPreference,
} from 'mongodb';
import { noteClient } from './error-reply.js';

/**
 * Raw BSON in and out of the driver. Two things here are not public API of mongodb 7.9.0 and bson
 * 7.3.4, which is why both are pinned exactly and test/unit/mongo/raw.test.ts fails first when an
 * upgrade changes them:
 * - DocumentSequence, the wire message's own list of documents, which the driver's bulk writes use;
 * - `serializeInto`, which bson calls on anything that says it is an ObjectId.
 */
const require = createRequire(import.meta.url);
const { DocumentSequence } = require('mongodb/lib/cmap/commands.js') as {
  DocumentSequence: new (field: string) => { push(document: Document, bytes: Uint8Array): number };
};
const BSON_VERSION = Symbol.for('@@mdb.bson.version');
const BSON_TYPE = Symbol.for('@@mdb.bson.type');
const BSON_MAJOR_VERSION = 7;
const OBJECT_ID = 0x07;
const DOLLAR = 0x24;

/** Options of every command here. */
export interface CommandOptions {
  readonly session?: ClientSession | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly readPreference?: ReadPreference | undefined;
}

/** Options of a command that the server itself ends after a while. */
export interface LimitedOptions extends CommandOptions {
  /** Time that the command may take in the server, in ms; waiting for a lock counts. */
  readonly maxTimeMS?: number | undefined;
}

/**
 * One BSON value as its exact bytes. Put anywhere in a command, it is sent as it is: no type, key
 * order or odd encoding is lost on the way through JavaScript.
 */
export class RawValue {
  readonly _bsontype = 'ObjectId';
  readonly [BSON_TYPE] = 'ObjectId';
  readonly [BSON_VERSION] = BSON_MAJOR_VERSION;
  /** BSON type byte. */
  readonly type: number;
  /** The value's bytes without type and name. */
  readonly bytes: Uint8Array;
  #key: string | undefined;

  constructor(type: number, bytes: Uint8Array) {
    this.type = type;
    this.bytes = bytes;
  }

  /** A whole document as a value. */
  static document(bytes: Uint8Array): RawValue {
    return new RawValue(BSONType.object, bytes);
  }

  /** The value that has this `key`. */
  static ofKey(key: string): RawValue {
    const value = new RawValue(key.charCodeAt(0), Buffer.from(key.slice(1), 'latin1'));
    value.#key = key;
    return value;
  }

  /** Text that is equal exactly when type and bytes are equal; for use as a Map key. */
  get key(): string {
    // It is asked for again and again.
    return (this.#key ??= String.fromCharCode(this.type) + latin1(this.bytes));
  }

  /** Called by bson after it wrote an ObjectId's type byte and name: corrects the type, writes the value. */
  serializeInto(target: Uint8Array, index: number): number {
    let at = index - 2;
    while (target[at] !== OBJECT_ID) at--;
    target[at] = this.type;
    target.set(this.bytes, index);
    return this.bytes.length;
  }
}

/** Bytes as a string of the same length, one character a byte. */
export function latin1(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Length in bytes of the value of the given type that starts at `at`.
 * @throws when the type byte is none of BSON's.
 */
export function valueLength(type: number, bytes: Buffer, at: number): number {
  switch (type) {
    case 0x06: // undefined
    case 0x0a: // null
    case 0x7f: // MaxKey
    case 0xff: // MinKey
      return 0;
    case 0x08: // boolean
      return 1;
    case 0x10: // int
      return 4;
    case 0x01: // double
    case 0x09: // date
    case 0x11: // timestamp
    case 0x12: // long
      return 8;
    case 0x07: // ObjectId
      return 12;
    case 0x13: // Decimal128
      return 16;
    case 0x02: // string
    case 0x0d: // code
    case 0x0e: // symbol
      return 4 + bytes.readInt32LE(at);
    case 0x03: // object
    case 0x04: // array
    case 0x0f: // code with scope
      return bytes.readInt32LE(at);
    case 0x05: // binary
      return 5 + bytes.readInt32LE(at);
    case 0x0c: // DBPointer
      return 4 + bytes.readInt32LE(at) + 12;
    case 0x0b: {
      // regular expression: two C strings
      const pattern = bytes.indexOf(0, at);
      return bytes.indexOf(0, pattern + 1) + 1 - at;
    }
    default:
      throw new Error(`BSON type 0x${type.toString(16)} at byte ${at} is not known`);
  }
}

/**
 * Calls `visit` for each top-level element of the document that starts at `start`, until it returns
 * false. Offsets are into `bytes`: name without its zero byte, value without type and name.
 */
export function walk(
  bytes: Buffer,
  start: number,
  visit: (
    type: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ) => boolean | void,
): void {
  const end = start + bytes.readInt32LE(start) - 1;
  let at = start + 4;
  while (at < end) {
    const type = bytes[at] ?? 0;
    let nameEnd = at + 1;
    // Names are short: `indexOf` takes longer to be called than this.
    while (nameEnd < end && bytes[nameEnd] !== 0) nameEnd++;
    const valueEnd = nameEnd + 1 + valueLength(type, bytes, nameEnd + 1);
    if (visit(type, at + 1, nameEnd, nameEnd + 1, valueEnd) === false) return;
    at = valueEnd;
  }
}

/** Top-level elements of a document by name, in order; of a name that occurs twice, the first. */
export function fields(document: Uint8Array): Map<string, RawValue> {
  const bytes = asBuffer(document);
  const found = new Map<string, RawValue>();
  walk(bytes, 0, (type, nameStart, nameEnd, valueStart, valueEnd) => {
    const name = bytes.toString('utf8', nameStart, nameEnd);
    if (!found.has(name)) found.set(name, new RawValue(type, bytes.subarray(valueStart, valueEnd)));
  });
  return found;
}

/** The documents of a BSON array, each a view of the same memory. */
export function documentsOf(array: Uint8Array): Buffer[] {
  const bytes = asBuffer(array);
  const documents: Buffer[] = [];
  walk(bytes, 0, (_type, _nameStart, _nameEnd, valueStart, valueEnd) => {
    documents.push(bytes.subarray(valueStart, valueEnd));
  });
  return documents;
}

/** The `_id` of a document. MongoDB keeps it first, so that this looks no further as a rule. */
export function idOf(document: Uint8Array): RawValue {
  const bytes = asBuffer(document);
  let id: RawValue | undefined;
  walk(bytes, 0, (type, nameStart, nameEnd, valueStart, valueEnd) => {
    // "_id" read as a little-endian number of three bytes
    if (nameEnd - nameStart !== 3 || bytes.readUIntLE(nameStart, 3) !== 0x64695f) return true;
    id = new RawValue(type, bytes.subarray(valueStart, valueEnd));
    return false;
  });
  if (!id) throw new Error('a document without _id came from the server');
  return id;
}

/**
 * Whether the document has a top-level `Timestamp(0, 0)`, which a server replaces with the current
 * time when it is inserted.
 */
export function hasEmptyTimestamp(document: Uint8Array): boolean {
  const bytes = asBuffer(document);
  let found = false;
  walk(bytes, 0, (type, _nameStart, _nameEnd, valueStart) => {
    found = isEmptyTimestampAt(bytes, type, valueStart);
    return !found;
  });
  return found;
}

/** Whether the document has a top-level `Timestamp(0, 0)`, or a top-level name that begins with `$`. */
export function hasEmptyTimestampOrDollarName(document: Uint8Array): boolean {
  const bytes = asBuffer(document);
  let found = false;
  walk(bytes, 0, (type, nameStart, _nameEnd, valueStart) => {
    found = bytes[nameStart] === DOLLAR || isEmptyTimestampAt(bytes, type, valueStart);
    return !found;
  });
  return found;
}

function isEmptyTimestampAt(bytes: Buffer, type: number, at: number): boolean {
  return type === 0x11 && bytes.readUInt32LE(at) === 0 && bytes.readUInt32LE(at + 4) === 0;
}

/** Whether the value is `Timestamp(0, 0)`. */
export function isEmptyTimestamp({ type, bytes }: RawValue): boolean {
  return type === BSONType.timestamp && bytes.every((byte) => byte === 0);
}

/** Whether a name below the top begins with `$`. */
export function hasInnerDollarName(document: Uint8Array): boolean {
  const bytes = asBuffer(document);
  let found = false;
  walk(bytes, 0, (type, _nameStart, _nameEnd, valueStart, valueEnd) => {
    if (type !== BSONType.object && type !== BSONType.array) return true;
    const inner = bytes.subarray(valueStart, valueEnd);
    found = hasDollarName(inner) || hasInnerDollarName(inner);
    return !found;
  });
  return found;
}

/** Whether a top-level name begins with `$`, which `$merge` refuses. */
export function hasDollarName(document: Uint8Array): boolean {
  const bytes = asBuffer(document);
  let found = false;
  walk(bytes, 0, (_type, nameStart) => {
    found = bytes[nameStart] === DOLLAR;
    return !found;
  });
  return found;
}

/**
 * Runs a command and decodes its reply. Bytes in it that are no UTF-8 are no error: servers store such strings.
 * @throws MongoWriteConcernError, as the driver does for each command, when its write concern was not met.
 */
export async function runCommand(
  db: Db,
  command: Document,
  { maxTimeMS, ...options }: LimitedOptions = {},
): Promise<Document> {
  options.signal?.throwIfAborted();
  const limited = maxTimeMS === undefined ? command : { ...command, maxTimeMS };
  return send(db, limited, options);
}

/** Runs a command; documents in its reply, also those in its arrays, stay BSON bytes. */
export async function runRaw(
  db: Db,
  command: Document,
  options: CommandOptions = {},
): Promise<Record<string, unknown>> {
  options.signal?.throwIfAborted();
  return send(db, command, options, { raw: true });
}

/**
 * Runs a command that takes a list of documents (`insert` with `documents`, `update` with `updates`,
 * `delete` with `deletes`) from their bytes.
 * @returns what it says of errors. The rest stays BSON bytes: an upsert repeats the `_id`, a duplicate key the values, and
 * there are some that a server stores and bson cannot decode.
 */
export async function runWithDocuments(
  db: Db,
  command: Document,
  field: 'documents' | 'updates' | 'deletes',
  documents: readonly Uint8Array[],
  options: CommandOptions = {},
): Promise<Document> {
  const sequence = new DocumentSequence(field);
  for (const document of documents) sequence.push(document, document);
  const { writeErrors, ...reply } = await runRaw(db, { ...command, [field]: sequence }, options);
  if (!writeErrors) return reply;
  return { ...reply, writeErrors: (writeErrors as Buffer[]).map(toError) };
}

/** What is wrong, without the values that it is about. */
function toError(bytes: Buffer): { index?: number; code?: number; errmsg?: string } {
  const told = [...fields(bytes)].filter(([name]) => ['index', 'code', 'errmsg'].includes(name));
  return BSON.deserialize(BSON.serialize(Object.fromEntries(told)), {
    validation: { utf8: false },
  });
}

async function send(
  db: Db,
  command: Document,
  options: CommandOptions,
  more: { readonly raw?: true } = {},
): Promise<Document> {
  try {
    return await db.command(command, { ...defined(options), ...more, enableUtf8Validation: false });
  } catch (error) {
    noteClient(error, db.client);
    throw error;
  }
}

function defined({ session, signal, readPreference }: CommandOptions) {
  return {
    ...(session && { session }),
    ...(signal && { signal }),
    ...(readPreference && { readPreference }),
  };
}

/** Hash of a document, to tell whether it has changed. */
export function hashOf(document: Uint8Array): string {
  return createHash('sha256').update(document).digest('base64');
}

/** An `_id` by itself: a view of a reply would keep the whole reply in memory. */
export function copyOf(id: RawValue): RawValue {
  return new RawValue(id.type, Buffer.from(asBuffer(id.bytes)));
}
