import { compareDocuments, type Side } from '../../src/mongo/compare.js';
import { compareAtOnce } from '../../test/helpers/compare-at-once.js';
import { RawCursor } from '../../src/mongo/raw-cursor.js';
import type { BenchCase } from '../case.js';
import { copyAcross } from '../copy.js';
import { loadOrders } from '../documents.js';
import { measureRate, serversOf } from '../rate.js';

const NAME = 'orders';
const BATCH_DOCUMENTS = 2_000;
const { signal } = new AbortController();

/** Documents compared per second, beside reading both sides and doing nothing. */
export const compare: BenchCase = {
  about: 'full comparison of two equal collections at rest, beside reading both raw',
  defaults: { documents: 1_000_000, rounds: 5, rate: 1 },
  quick: { documents: 10_000 },
  figure: 'documentsPerSecond',
  prepare: async (environment, { documents }) => {
    const source: Side = { db: environment.sourceClient.db('shop'), collection: NAME };
    const target: Side = { db: environment.targetClient.db('shop'), collection: NAME };
    await loadOrders(environment.sourceClient, NAME, documents);
    await target.db.createCollection(NAME);
    await copyAcross(source.db, target.db, NAME);
    const measured = (read: () => Promise<number>) => () =>
      measureRate('documents', serversOf(environment), async () => {
        const count = await read();
        if (count !== documents) throw new Error(`${count} documents in place of ${documents}`);
        return count;
      });
    return [
      {
        name: 'raw read of both sides',
        run: measured(async () => {
          const [one] = await Promise.all([readAll(source), readAll(target)]);
          return one;
        }),
      },
      {
        name: 'comparison in a migration',
        run: measured(async () => {
          let count = 0;
          const found = await compareDocuments(source, target, {}, signal, (compared) => {
            count = compared.documents;
          });
          if (found.differences.length > 0) throw new Error('the two sides are not equal');
          return count;
        }),
      },
      {
        name: 'verifyCollection',
        run: measured(async () => {
          const tally = await compareAtOnce(source, target, signal);
          return tally.source.documents;
        }),
      },
    ];
  },
};

async function readAll({ db, collection }: Side): Promise<number> {
  let count = 0;
  await using cursor = await RawCursor.open(
    db,
    { find: collection, sort: { _id: 1 }, batchSize: BATCH_DOCUMENTS },
    { signal, batchSize: BATCH_DOCUMENTS },
  );
  for await (const { documents } of cursor) count += documents.length;
  return count;
}
