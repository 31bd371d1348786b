import { randomBytes } from 'node:crypto';
import type { Collection, Document, MongoClient } from 'mongodb';

/** A document of about 500 bytes. */
export interface Order extends Document {
  readonly _id: number;
}

const BATCH = 10_000;
const TEXT_BYTES = 256;

/** The collection that is loaded and migrated. */
export function ordersOf(client: MongoClient, name: string): Collection<Order> {
  return client.db('shop').collection<Order>(name);
}

/** Loads documents of about 500 bytes, as compressible as text is. */
export async function loadOrders(client: MongoClient, name: string, count: number): Promise<void> {
  const orders = ordersOf(client, name);
  const text = randomBytes(1 << 16).toString('base64');
  for (let at = 0; at < count; at += BATCH) {
    const length = Math.min(BATCH, count - at);
    await orders.insertMany(
      Array.from({ length }, (_, index) => orderOf(at + index, text)),
      { ordered: false },
    );
  }
}

function orderOf(index: number, text: string): Order {
  const at = (index * 7919) % (text.length - TEXT_BYTES);
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
    text: text.slice(at, at + TEXT_BYTES),
  };
}
