import type { Collection, Db, IndexDescription } from 'mongodb';
import { KEPT_SECONDS, orderAt } from './documents.js';

/** Where the demo's application keeps its orders. */
export const DATABASE = 'shop';
/** Name of their collection. */
export const COLLECTION = 'orders';

const BATCH = 1000;
/** Enough to keep a server busy while the next documents are made. */
const BATCHES_AT_ONCE = 2;

/** One of every kind that a migration has to carry over. */
export const indexes: readonly IndexDescription[] = [
  { name: 'number', key: { number: 1 }, unique: true },
  { name: 'customer_placed', key: { customer: 1, placedAt: -1 } },
  { name: 'coupon_sparse', key: { coupon: 1 }, sparse: true },
  { name: 'open_orders', key: { placedAt: 1 }, partialFilterExpression: { status: 'new' } },
  { name: 'expiry', key: { expiresAt: 1 }, expireAfterSeconds: KEPT_SECONDS },
  { name: 'text', key: { note: 'text', tags: 'text' }, weights: { note: 3, tags: 1 } },
  { name: 'place', key: { place: '2dsphere' } },
  { name: 'customer_hashed', key: { customer: 'hashed' } },
  { name: 'attributes', key: { 'attributes.$**': 1 } },
  { name: 'city', key: { 'address.city': 1 }, collation: { locale: 'fr', strength: 1 } },
  { name: 'skus', key: { 'lines.sku': 1, status: 1 }, hidden: true },
];

/** Creates the collection as an application would have, with options of its own. @throws MongoServerError */
export async function createOrders(db: Db): Promise<Collection> {
  return db.createCollection(COLLECTION, {
    validator: { number: { $type: 'long' }, status: { $type: 'string' } },
    validationLevel: 'moderate',
    validationAction: 'error',
  });
}

/**
 * Inserts the documents and builds the indexes.
 *
 * @param onProgress told how many documents are in, and what else is being done
 * @throws MongoServerError
 */
export async function loadOrders(
  orders: Collection,
  docs: number,
  oddNames: boolean,
  onProgress: (documents: number, doing?: string) => void,
): Promise<void> {
  let next = 0;
  let loaded = 0;
  const lane = async (): Promise<void> => {
    while (next < docs) {
      const first = next;
      next = Math.min(docs, next + BATCH);
      const batch = Array.from({ length: next - first }, (_, at) =>
        orderAt(first + at, { oddNames }),
      );
      // Otherwise the driver replaces the `_id` that is null.
      await orders.insertMany(batch, { ordered: false, forceServerObjectId: true });
      loaded += batch.length;
      onProgress(loaded);
    }
  };
  await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, lane));
  onProgress(loaded, ', building indexes');
  await orders.createIndexes([...indexes]);
}

/** Whether the server stores `$`-prefixed and dotted keys. */
export async function takesOddNames(db: Db): Promise<boolean> {
  const { version } = await db.admin().buildInfo();
  return Number.parseInt(String(version), 10) >= 5;
}
