import { randomBytes } from 'node:crypto';
import type { Db, Long, UUID } from 'mongodb';
import { errorTypes, PermanentError } from '../errors.js';
import { bufferName } from '../names.js';
import { alone, bundle } from './bundle.js';
import { type Change, withoutDocument } from './change.js';
import { readHello } from './hello.js';
import { readUuid } from './catalogue.js';
import { chunks } from './chunks.js';
import { sendSieved } from './refusal.js';
import { runCommand, runWithDocuments } from './raw.js';

/** A message may have 48,000,000 bytes; the rest is for the command itself. */
const MAX_MESSAGE = 47_000_000;
const MAX_DOCUMENTS = 100_000;
/** So many that no two attempts have the same. */
const MARK_BYTES = 8;
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

/** The collection that keeps changes at the target until they are replayed. */
export class Buffered {
  readonly #db: Db;
  readonly #name: string;
  readonly #uuid: UUID | undefined;
  readonly #mark = randomBytes(MARK_BYTES).toString('hex');

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
   * Inserts changes by majority. A change whose document the server does not take is kept without it, as a reference.
   * @param changes in stream order and without a gap, or such that nothing else is kept of the same stretch but by
   * `insertEach`
   * @returns bytes that were sent.
   * @throws PermanentError ControlDocumentLost when the buffer was dropped or replaced.
   */
  async insert(changes: readonly Change[], signal?: AbortSignal): Promise<number> {
    const bundles = bundle(changes, this.#mark);
    const refused = await this.#send([...bundles.keys()], signal);
    const apart = [...refused.keys()].flatMap((one) => bundles.get(one) ?? []);
    return sizeOf(bundles.keys()) - sizeOf(refused.keys()) + (await this.insertEach(apart, signal));
  }

  /**
   * The same for changes in any order, each as a document of its own; those that are there already stay as they are.
   * @returns bytes that were sent.
   * @throws PermanentError ControlDocumentLost when the buffer was dropped or replaced.
   */
  async insertEach(changes: readonly Change[], signal?: AbortSignal): Promise<number> {
    const documents = new Map(changes.map((change) => [alone(change), change]));
    const refused = await this.#send([...documents.keys()], signal);
    const without = [...refused.keys()].flatMap((one) => documents.get(one) ?? []);
    const references = without.map((change) => alone(withoutDocument(change)));
    const [still] = (await this.#send(references, signal)).values();
    if (still !== undefined) throw new Error(`insert into ${this.#name}: ${still}`);
    return sizeOf(documents.keys()) - sizeOf(refused.keys()) + sizeOf(references);
  }

  /** @returns what the server does not take, and what it says. */
  async #send(documents: readonly Buffer[], signal?: AbortSignal): Promise<Map<Buffer, string>> {
    const command = {
      insert: this.#name,
      ordered: false,
      ...(this.#uuid && { collectionUUID: this.#uuid }),
      writeConcern: { w: 'majority' },
    };
    const refused: [Buffer, string][] = [];
    for (const part of splitByMessage(documents)) {
      const found = await sendSieved(part, {
        send: (some) => runWithDocuments(this.#db, command, 'documents', some, { signal }),
        ordered: false,
        fail: ({ code, errmsg }) => {
          if (code === UUID_MISMATCH) throw dropped(this.#db, this.#name);
          if (code === KEY_TOO_LONG) throw tokenTooLong(errmsg);
          throw new Error(`insert into ${this.#name}: ${errmsg} (${code})`);
        },
      });
      refused.push(...found);
    }
    return new Map(refused);
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
 * Creates the buffer of a collection, clustered by `_id` where the server can (5.3+): one write for
 * each in place of two. A second call finds it as it is.
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

/** Bytes in the buffer. */
export async function measureBuffer(db: Db, collection: string): Promise<number> {
  const stats = await runCommand(db, { collStats: bufferName(collection) }).catch(() => ({}));
  return Number((stats as { size?: number | Long }).size ?? 0);
}

/** About how many changes have so many bytes in the buffer: as many as of all that were put there. */
export function changesIn(bytes: number, captured?: { buffered: number; bytes: number }): number {
  if (!captured || captured.bytes === 0) return 0;
  const share = Math.ceil((bytes * captured.buffered) / captured.bytes);
  return Math.min(captured.buffered, share);
}

function sizeOf(documents: Iterable<Buffer>): number {
  let bytes = 0;
  for (const { length } of documents) bytes += length;
  return bytes;
}

function ignoreExisting(error: unknown): void {
  if ((error as { code?: number }).code !== 48) throw error;
}
