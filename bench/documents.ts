import { randomBytes } from 'node:crypto';
import type { Collection, Document, IndexSpecification, MongoClient } from 'mongodb';

/** A document of the collections that are measured. */
export interface Order extends Document {
  readonly _id: number;
}

/** What a collection holds. */
export interface Shape {
  /** Bytes of one document, about. */
  readonly bytes: number;
  readonly indexes: readonly IndexSpecification[];
}

const BATCH_BYTES = 8 << 20;
const BATCH_DOCUMENTS = 10_000;
/** Bytes of the other fields. */
const FIELDS_BYTES = 244;

/** The usual shape: 500 bytes and one index. */
export const usual: Shape = { bytes: 500, indexes: [{ customer: 1 }] };

/** Eight indexes in place of one. */
export const manyIndexes: Shape = {
  bytes: 500,
  indexes: [
    { customer: 1 },
    { email: 1 },
    { number: 1 },
    { token: 1 },
    { at: 1 },
    { status: 1, at: -1 },
    { customer: 1, at: -1 },
    { total: 1 },
  ],
};

/** The collection that is loaded and migrated. */
export function ordersOf(client: MongoClient, name: string): Collection<Order> {
  return client.db('shop').collection<Order>(name);
}

/** Loads documents of about 500 bytes, as compressible as text is, without indexes. */
export async function loadOrders(client: MongoClient, name: string, count: number): Promise<void> {
  await loadShape(client, name, count, { bytes: usual.bytes, indexes: [] });
}

/** Loads documents of a shape, as compressible as text is, and builds its indexes. */
export async function loadShape(
  client: MongoClient,
  name: string,
  count: number,
  { bytes, indexes }: Shape,
): Promise<void> {
  const orders = ordersOf(client, name);
  const text = randomBytes(Math.max(1 << 16, bytes * 2)).toString('base64');
  const batch = Math.max(1, Math.min(BATCH_DOCUMENTS, Math.floor(BATCH_BYTES / bytes)));
  for (let at = 0; at < count; at += batch) {
    const length = Math.min(batch, count - at);
    const documents = Array.from({ length }, (_, index) => orderOf(at + index, text, bytes));
    await orders.insertMany(documents, { ordered: false });
  }
  for (const key of indexes) await orders.createIndex(key);
}

/** An order of this number and size; below 300 bytes with fewer fields. */
export function orderOf(index: number, text: string, bytes: number): Order {
  if (bytes < FIELDS_BYTES) {
    const at = (index * 7919) % (text.length - bytes);
    const customer = (index * 48_271) % 100_003;
    return { _id: index, customer, counter: 0, text: text.slice(at, at + bytes - 50) };
  }
  const length = bytes - FIELDS_BYTES;
  const at = (index * 7919) % (text.length - length);
  return {
    _id: index,
    // Spread, as keys of a business are: neighbours are not neighbours in the index.
    email: `${((index * 2_654_435_761) % 4_294_967_296).toString(36)}-${index}@example.org`,
    number: `N${String(index).padStart(10, '0')}`,
    token: `${(index * 40_503) % 65_536}-${index}`,
    at: new Date(1_700_000_000_000 + index * 1000),
    status: ['open', 'paid', 'sent', 'done'][index % 4],
    customer: (index * 48_271) % 100_003,
    total: (index % 10_000) / 100,
    counter: 0,
    text: text.slice(at, at + length),
  };
}
