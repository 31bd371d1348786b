import { BSON, type Db, type Long, type UUID } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import { bufferName } from '../names.js';
import { readHello } from './hello.js';
import { readUuid } from './catalogue.js';
import { chunks } from './chunks.js';
import { sendSieved } from './refusal.js';
import {
  fields,
  hasEmptyTimestampOrDollarName,
  type RawValue,
  runCommand,
  runWithDocuments,
} from './raw.js';

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
/** A message may have 48,000,000 bytes; the rest is for the command itself. */
const MAX_MESSAGE = 47_000_000;
const MAX_DOCUMENTS = 100_000;
const NULL = 0x0a;
const UUID_MISMATCH = 361;
/** The key of a clustered collection has more than 8 MB. */
const KEY_TOO_LONG = 5894900;
const INVALID_OPTIONS = 72;
/**
 * What servers say to `clusteredIndex` that they do not have: TypeMismatch (5.0), InvalidOptions (newer ones that
 * run as 5.0, by featureCompatibilityVersion), unknown field (4.4).
 */
const NOT_CLUSTERED: readonly (number | undefined)[] = [14, 72, 40415];
/** Wire version of MongoDB 6.0, whose writes can name the collection by UUID. */
const WIRE_VERSION_6_0 = 17;

/**
 * Builds one document of the buffer: `_id` is the event's token, so that a second insert changes
 * nothing and `_id` order is stream order; `o` kind, `k.i` the changed `_id`, `k.w` what it was if the
 * change gave it other bytes that are equal, `n` length of the document in bytes, `d` the document.
 */
export function encodeChange(
  token: string,
  id: RawValue,
  document?: Buffer,
  was?: RawValue,
): Buffer {
  const envelope = envelopeLength(token, id, was);
  const kind = kindOf(envelope, id, document);
  const body = kind === 'delete' || kind === 'reference' ? undefined : document;
  const bytes = Buffer.allocUnsafe(envelope + (body ? 3 + body.length : 0));
  let at = bytes.writeInt32LE(bytes.length, 0);
  at = put(bytes, at, parts.id);
  at = bytes.writeInt32LE(token.length + 1, at);
  at += bytes.write(token, at, 'latin1');
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
  id: Buffer.from('\x02_id\0', 'latin1'),
  /** The end of the token, `o`, and the begin of `k`. */
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
  return Buffer.from(`\0\x02o\0\x02\0\0\0${changeCodes[kind]}\0\x03k\0`, 'latin1');
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
function withoutDocument(change: Buffer): Buffer {
  const kept = [...fields(change)].filter(([name]) => name !== 'd');
  const reference = Object.fromEntries(kept) as Record<string, unknown>;
  return Buffer.from(BSON.serialize({ ...reference, o: changeCodes.reference }));
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

function envelopeLength(token: string, id: RawValue, was?: RawValue): number {
  // length 4, _id 5+4+token+1, o 3+4+2, k 3+key, n 3+4, end 1
  return 34 + token.length + keyLength(id, was);
}

function keyLength(id: RawValue, was?: RawValue): number {
  // length 4, each 1+2+value, end 1
  return 8 + id.bytes.length + (was ? 3 + was.bytes.length : 0);
}

/** The collection that keeps changes at the target until they are replayed. */
export class Buffered {
  readonly #db: Db;
  readonly #name: string;
  readonly #uuid: UUID | undefined;

  /** `uuid`: of the buffer, where the server can check it; a late insert into another one is refused. */
  constructor(db: Db, collection: string, uuid: UUID | undefined) {
    this.#db = db;
    this.#name = bufferName(collection);
    this.#uuid = uuid;
  }

  /**
   * Opens the buffer of a migration.
   * @throws PermanentError ControlDocumentLost when it was dropped or replaced.
   */
  static async open(db: Db, collection: string, uuid: UUID | undefined): Promise<Buffered> {
    await checkBuffer(db, collection, uuid);
    const isChecked = uuid && (await canCheckUuid(db, bufferName(collection), uuid));
    return new Buffered(db, collection, isChecked ? uuid : undefined);
  }

  /**
   * Inserts changes by majority; those that are there already stay as they are. A change whose document the
   * server does not take is kept without it, as a reference.
   * @throws PermanentError ControlDocumentLost when the buffer was dropped or replaced.
   */
  async insert(changes: readonly Buffer[], signal?: AbortSignal): Promise<void> {
    for (const part of splitByMessage(changes)) {
      const refused = await this.#send(part, signal);
      const without = [...refused.keys()].map(withoutDocument);
      const [still] = (await this.#send(without, signal)).values();
      if (still !== undefined) throw new Error(`insert into ${this.#name}: ${still}`);
    }
  }

  #send(changes: readonly Buffer[], signal?: AbortSignal): Promise<Map<Buffer, string>> {
    const command = {
      insert: this.#name,
      ordered: false,
      ...(this.#uuid && { collectionUUID: this.#uuid }),
      writeConcern: { w: 'majority' },
    };
    return sendSieved(changes, {
      send: (some) => runWithDocuments(this.#db, command, 'documents', some, { signal }),
      ordered: false,
      fail: ({ code, errmsg }) => {
        if (code === UUID_MISMATCH) throw dropped(this.#db, this.#name);
        if (code === KEY_TOO_LONG) throw tokenTooLong(errmsg);
        throw new Error(`insert into ${this.#name}: ${errmsg} (${code})`);
      },
    });
  }
}

/**
 * Looks whether the buffer is the one that the migration has made: one that is gone reads like an empty one.
 * @throws PermanentError ControlDocumentLost when it was dropped or replaced.
 */
export async function checkBuffer(
  db: Db,
  collection: string,
  uuid: UUID | undefined,
): Promise<void> {
  const name = bufferName(collection);
  const found = await readUuid(db, name);
  if (!found || (uuid && !found.equals(uuid))) throw dropped(db, name);
}

/** A token has the `_id` in it, two characters for each byte. */
function tokenTooLong(errmsg: string): PermanentError {
  return new PermanentError(
    errorTypes.eventTooLarge,
    'A change has a resume token that is longer than the 8 MB that a key of the buffer may have, so that it cannot ' +
      'be kept. Only an _id of more than 4 MB makes one: delete such documents, then start the migration again: the ' +
      `copy is repeated. The target said: ${errmsg}`,
  );
}

function dropped(db: Db, name: string): PermanentError {
  return new PermanentError(
    errorTypes.controlLost,
    `the buffer ${db.databaseName}.${name} at the target was dropped while the ` +
      'migration ran, and with it changes that were not yet replayed; start the migration again',
  );
}

/**
 * Cuts a list of documents into lists that each fit into one message.
 * Shapes: at most 100,000 documents and 47 MB each.
 */
export function splitByMessage(documents: readonly Buffer[]): Generator<readonly Buffer[]> {
  return chunks(documents, ({ length }) => length, { items: MAX_DOCUMENTS, bytes: MAX_MESSAGE });
}

/**
 * Creates the buffer of a collection, clustered by `_id` where the server can (5.3+): one write per
 * change in place of two. A second call finds it as it is.
 * @returns its UUID.
 */
export async function createBuffer(db: Db, collection: string): Promise<UUID | undefined> {
  const name = bufferName(collection);
  const majority = { writeConcern: { w: 'majority' } };
  try {
    await runCommand(db, {
      create: name,
      clusteredIndex: { key: { _id: 1 }, unique: true },
      ...majority,
    });
  } catch (error) {
    const { code } = error as { code?: number };
    if (NOT_CLUSTERED.includes(code)) {
      await runCommand(db, { create: name, ...majority }).catch(ignoreExisting);
    } else ignoreExisting(error);
  }
  return readUuid(db, name);
}

/** UUID of a collection, on servers whose writes can be tied to it (6.0+, unless they run as 5.0). */
export async function collectionUuid(db: Db, name: string): Promise<UUID | undefined> {
  const uuid = await readUuid(db, name);
  return uuid && (await canCheckUuid(db, name, uuid)) ? uuid : undefined;
}

async function canCheckUuid(db: Db, name: string, uuid: UUID): Promise<boolean> {
  const hello = await readHello(db);
  if (Number(hello.maxWireVersion) < WIRE_VERSION_6_0) return false;
  try {
    const look = { find: name, limit: 1, projection: { _id: 1 }, singleBatch: true };
    await runCommand(db, { ...look, collectionUUID: uuid });
    return true;
  } catch (error) {
    // By its featureCompatibilityVersion, which few may read, it does not take one.
    if ((error as { code?: number }).code === INVALID_OPTIONS) return false;
    throw error;
  }
}

/** Number of documents and bytes in the buffer. */
export async function measureBuffer(
  db: Db,
  collection: string,
): Promise<{ documents: number; bytes: number }> {
  const stats = await runCommand(db, { collStats: bufferName(collection) }).catch(() => ({}));
  const { count, size } = stats as { count?: number | Long; size?: number | Long };
  return { documents: Number(count ?? 0), bytes: Number(size ?? 0) };
}

function ignoreExisting(error: unknown): void {
  if ((error as { code?: number }).code !== 48) throw error;
}
