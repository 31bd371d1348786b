import { BSON, type Db, MongoServerError, UUID } from 'mongodb';
import { asBuffer, documentsOf, fields, type RawValue, runRaw } from './raw.js';

/** What kind of thing a name in a database is. */
export type CollectionType = 'collection' | 'view' | 'timeseries';

/** One index as `listIndexes` shows it: every field as its exact bytes. */
export type IndexSpec = ReadonlyMap<string, RawValue>;

/** What a server knows of a collection, byte for byte: JavaScript would reorder and retype it. */
export interface Catalogue {
  readonly name: string;
  readonly type: CollectionType;
  /** Missing for views. */
  readonly uuid: UUID | undefined;
  /** Options as `listCollections` shows them, in order. */
  readonly options: ReadonlyMap<string, RawValue>;
  /** All indexes, that of `_id` too; empty for views. */
  readonly indexes: readonly IndexSpec[];
}

/**
 * Fields that `createIndexes` takes. Indexes from before 3.4 may hold others (`dropDups`, typing
 * errors), which today's servers refuse; mongorestore drops them too (--convertLegacyIndexes).
 */
export const indexFields: ReadonlySet<string> = new Set([
  'key',
  'name',
  'unique',
  'sparse',
  'partialFilterExpression',
  'expireAfterSeconds',
  'hidden',
  'collation',
  'storageEngine',
  'weights',
  'default_language',
  'language_override',
  'textIndexVersion',
  '2dsphereIndexVersion',
  'finestIndexedLevel',
  'coarsestIndexedLevel',
  'bits',
  'min',
  'max',
  'bucketSize',
  'wildcardProjection',
  'columnstoreProjection',
]);

const NAMESPACE_NOT_FOUND = 26;
const BINARY_HEADER = 5;

/** Reads a value as an ordinary JavaScript value; for decisions only, never to be sent back. */
export function decode(value: RawValue | undefined): unknown {
  if (value === undefined) return undefined;
  const head = Buffer.from([0, 0, 0, 0, value.type, 0x76, 0]); // one field, "v"
  const document = Buffer.concat([head, value.bytes, Buffer.from([0])]);
  document.writeInt32LE(document.length, 0);
  const decoded: unknown = BSON.deserialize(document)['v'];
  return decoded;
}

/** Name of an index. */
export function indexName(spec: IndexSpec): string {
  return String(decode(spec.get('name')));
}

/**
 * Reads options and indexes of a collection, or nothing when there is none of this name.
 * @throws MongoServerError 13 without the privileges `listCollections` and `listIndexes`.
 */
export async function readCatalogue(
  db: Db,
  collection: string,
  signal?: AbortSignal,
): Promise<Catalogue | undefined> {
  const entry = await readEntry(db, collection, signal);
  if (!entry) return undefined;
  const type = collectionType(decode(entry.get('type')));
  const indexes = type === 'collection' ? await readIndexes(db, collection, signal) : [];
  return {
    name: collection,
    type,
    uuid: uuidIn(entry),
    options: fields(entry.get('options')?.bytes ?? BSON.serialize({})),
    indexes,
  };
}

/** UUID of a collection, at the primary; nothing when there is none of this name. */
export async function readUuid(
  db: Db,
  collection: string,
  signal?: AbortSignal,
): Promise<UUID | undefined> {
  const entry = await readEntry(db, collection, signal);
  return entry && uuidIn(entry);
}

/** Reads the indexes of a collection; none when the collection does not exist. */
export async function readIndexes(
  db: Db,
  collection: string,
  signal?: AbortSignal,
): Promise<IndexSpec[]> {
  try {
    return (await list(db, { listIndexes: collection }, signal)).map(fields);
  } catch (error) {
    if (errorCode(error) === NAMESPACE_NOT_FOUND) return [];
    throw error;
  }
}

/**
 * No such collection, or a server that does not take the option: "unrecognized field" in two ways, invalid options, and
 * what hosted ones say to what they do not support.
 */
const TELLS_NOTHING: readonly unknown[] = [NAMESPACE_NOT_FOUND, 9, 40415, 72, 8000];

/**
 * Names of the indexes that the server is still building: `listIndexes` shows them like any other.
 * Empty where a server does not tell.
 */
export async function readBuilding(
  db: Db,
  collection: string,
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  try {
    const command = { listIndexes: collection, includeBuildUUIDs: true };
    const listed = (await list(db, command, signal)).map(fields);
    const specs = listed.flatMap((entry) => {
      const spec = entry.has('buildUUID') ? entry.get('spec') : undefined;
      return spec ? [fields(spec.bytes)] : [];
    });
    return new Set(specs.map(indexName));
  } catch (error) {
    if (!TELLS_NOTHING.includes(errorCode(error))) throw error;
    return new Set();
  }
}

/** Write concern of everything that changes a catalogue. */
export const majority = { w: 'majority' } as const;

/** Code of a server's error, or nothing for any other error. */
export function errorCode(error: unknown): number | undefined {
  return error instanceof MongoServerError && typeof error.code === 'number'
    ? error.code
    : undefined;
}

/** Codes by which a server says what a user may not. */
export const REFUSAL = { unauthorized: 13, authenticationFailed: 18, atlas: 8000 } as const;

/** The same for what a user may not: Atlas has one code for all of that, and says in words what it is. */
export function refusalCode(error: unknown): number | undefined {
  const code = errorCode(error);
  if (code !== REFUSAL.atlas || !(error instanceof Error)) return code;
  if (/bad auth|authentication failed/i.test(error.message)) return REFUSAL.authenticationFailed;
  return /not authorized/i.test(error.message) ? REFUSAL.unauthorized : code;
}

/** Whether the user may not do it. */
export function isUnauthorized(error: unknown): boolean {
  const code = refusalCode(error);
  return code === REFUSAL.unauthorized || code === REFUSAL.atlas;
}

/** Names of the collections that a filter of names finds, at the primary. */
export async function readNames(db: Db, name: unknown, signal?: AbortSignal): Promise<string[]> {
  const command = { listCollections: 1, filter: { name }, nameOnly: true };
  const listed = await list(db, command, signal);
  return listed.map((entry) => String(decode(fields(entry).get('name'))));
}

async function readEntry(
  db: Db,
  collection: string,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, RawValue> | undefined> {
  const command = { listCollections: 1, filter: { name: collection } };
  const [entry] = await list(db, command, signal);
  return entry && fields(entry);
}

function uuidIn(entry: ReadonlyMap<string, RawValue>): UUID | undefined {
  const uuid = fields(entry.get('info')?.bytes ?? BSON.serialize({})).get('uuid');
  return uuid && new UUID(asBuffer(uuid.bytes).subarray(BINARY_HEADER));
}

function collectionType(type: unknown): CollectionType {
  return type === 'view' || type === 'timeseries' ? type : 'collection';
}

async function list(
  db: Db,
  command: Record<string, unknown>,
  signal: AbortSignal | undefined,
): Promise<Buffer[]> {
  // A collection has 64 indexes at most: with this size everything is in the first batch.
  const reply = await runRaw(db, { ...command, cursor: { batchSize: 1000 } }, { signal });
  const cursor = reply['cursor'];
  const batch = cursor instanceof Uint8Array ? fields(cursor).get('firstBatch') : undefined;
  return batch ? documentsOf(batch.bytes) : [];
}
