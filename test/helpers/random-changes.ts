import { Long, Timestamp } from 'mongodb';
import type { Id } from './bson.js';
import { AS_IT_IS, type DataPath } from './data-path.js';
import { oneOf } from './random.js';

/** Random changes of `ids`: inserts, updates, replacements, deletes, some in transactions. */
export async function changeRandomly(
  path: DataPath,
  random: () => number,
  ids: readonly [Id, ...Id[]],
  count: number,
): Promise<void> {
  const values = [1, 2.5, 'text', null, new Date(0), Long.fromString('9007199254740993')] as const;
  for (let step = 0; step < count; step++) {
    const filter = { _id: oneOf(random, ids) };
    const value: unknown = oneOf<unknown>(random, values);
    const pick = random();
    if (pick < 0.35) {
      await path.orders.updateOne(filter, { $set: { value }, $inc: { n: 1 } }, { upsert: true });
    } else if (pick < 0.6) {
      const fresh = { n: 0, '2': value, '1': value, empty: new Timestamp(0n) };
      await path.orders.replaceOne(filter, fresh, { upsert: true });
    } else if (pick < 0.85) await path.orders.deleteOne(filter);
    else {
      await using session = path.source.client.startSession();
      await session.withTransaction(async () => {
        await path.orders.deleteOne(filter, { session });
        await path.orders.insertOne({ ...filter, value }, { session, ...AS_IT_IS });
      });
    }
  }
}
