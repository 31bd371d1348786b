import type { Document } from 'mongodb';
import { bufferName } from '../../src/names.js';
import type { Environment } from '../../test/e2e/environment.js';
import { DataPath } from '../../test/helpers/data-path.js';
import type { BenchCase, Figures, Variant } from '../case.js';
import { type Changes, writeChanges } from '../changes.js';
import { copyAcross } from '../copy.js';
import { loadShape, type Order, ordersOf } from '../documents.js';
import { measureRate, serversOf } from '../rate.js';

/** Changes for each document. */
const SHARE = 0.4;
const BULK = 1_000;

interface Load {
  readonly kind: Changes['kind'] | 'deletes';
  readonly documents: number;
  readonly bytes: number;
  /** The worker writes each document, as under a collation. */
  readonly exactOnly?: boolean;
}

/** Changes per second from the buffer into the target, beside one command of the server for all of them. */
export const replay: BenchCase = {
  about: 'buffered changes into the target, beside one $merge or deleteMany of all of them',
  defaults: { documents: 500_000, rounds: 3, rate: 1 },
  quick: { documents: 5_000 },
  figure: 'changesPerSecond',
  prepare: async (environment, { documents }) => {
    const loads: Load[] = [
      { kind: 'spread', documents, bytes: 500 },
      { kind: 'hot', documents, bytes: 500 },
      { kind: 'deletes', documents, bytes: 500 },
      { kind: 'spread', documents: Math.round(documents / 25), bytes: 16_000 },
      { kind: 'spread', documents: Math.round(documents / 5), bytes: 500, exactOnly: true },
    ];
    const variants: Variant[] = [];
    for (const load of loads) variants.push(...(await replayVariants(environment, load)));
    return variants;
  },
};

/** What is measured of one load: the reference first. */
export async function replayVariants(
  environment: Environment,
  load: Load,
  label = `${load.kind}, ${load.bytes} B, ${load.exactOnly ? 'by the worker, ' : ''}`,
): Promise<Variant[]> {
  const { kind, documents, bytes, exactOnly = false } = load;
  const name = `${kind}${bytes}x${documents}`;
  const source = environment.sourceClient.db('shop');
  const target = environment.targetClient.db('replayed');
  await loadShape(environment.sourceClient, name, documents, { bytes, indexes: [] });
  await target.createCollection(name);
  await copyAcross(source, target, name);
  const path = await DataPath.between(source, target, name, { exactOnly });
  const count = Math.round(documents * SHARE);
  const measure = async (apply: () => Promise<unknown>): Promise<Figures> => {
    await fill(path, load, count);
    const changes = (await path.changes()).length;
    const { target: pid } = serversOf(environment);
    const figures = await measureRate('changes', { target: pid }, async () => {
      await apply();
      return changes;
    });
    // The reference has applied without saying so.
    await path.replay();
    await path.buffer.deleteMany({});
    await target.client.db('admin').command({ fsync: 1 });
    return figures;
  };
  const byServer = () => (kind === 'deletes' ? deleteAtOnce(path) : mergeAtOnce(path));
  const what = kind === 'deletes' ? 'one deleteMany' : 'one $merge';
  return [
    { name: `${label}${what}`, against: `${label}${what}`, run: () => measure(byServer) },
    {
      name: `${label}replay`,
      against: `${label}${what}`,
      run: () => measure(() => path.replay()),
    },
  ];
}

/** Puts fresh changes into the buffer, so that no write finds the document as it wants it. */
async function fill(
  path: DataPath,
  { kind, documents, bytes }: Load,
  count: number,
): Promise<void> {
  const orders = ordersOf(path.source.client, path.name);
  if (kind !== 'deletes') {
    await writeChanges(orders, { kind, count, documents, bytes });
    await path.capture();
    return;
  }
  const ids = Array.from({ length: count }, (_, index) => documents + index);
  for (let at = 0; at < count; at += BULK) {
    const some = ids.slice(at, at + BULK);
    await orders.insertMany(some.map((_id): Order => ({ _id, text: 'x'.repeat(bytes) })));
  }
  await path.follow();
  await path.buffer.deleteMany({});
  for (let at = 0; at < count; at += BULK) {
    const some = ids.slice(at, at + BULK);
    await orders.bulkWrite(some.map((_id) => ({ deleteOne: { filter: { _id } } })));
  }
  await path.capture();
}

async function mergeAtOnce({ target, name }: DataPath): Promise<void> {
  const stages = [
    { $sort: { _id: 1 } },
    { $unwind: '$c' },
    { $replaceRoot: { newRoot: '$c' } },
    { $group: { _id: '$k.i', o: { $last: '$o' }, d: { $last: '$d' } } },
    { $match: { o: 'u' } },
    { $replaceRoot: { newRoot: '$d' } },
    { $merge: { into: name, whenMatched: 'replace', whenNotMatched: 'insert' } },
  ];
  await target
    .collection(bufferName(name))
    .aggregate(stages, { allowDiskUse: true, writeConcern: { w: 'majority' } })
    .toArray();
}

async function deleteAtOnce({ target, name }: DataPath): Promise<void> {
  const buffered = target
    .collection(bufferName(name))
    .find({}, { projection: { _id: 0, 'c.k': 1 } });
  const ids = (await buffered.toArray()).flatMap(({ c }) =>
    (c as Document[]).map(({ k }) => Number(k.i)),
  );
  const filter = { _id: { $in: ids } };
  await target.collection<Order>(name).deleteMany(filter, { writeConcern: { w: 'majority' } });
}
