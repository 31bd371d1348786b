import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Db } from 'mongodb';
import { obtainMongoTools } from '../../embedded/index.js';
import { readCatalogue } from '../../src/mongo/catalogue.js';
import { readSize } from '../../src/mongo/collection-size.js';
import { createLike } from '../../src/mongo/create-like.js';
import { loadForms } from '../../src/mongo/index-twins.js';
import { createIndexes } from '../../src/mongo/indexes.js';
import { type Partition, partitionQuery, planPartitions } from '../../src/mongo/partitions.js';
import { dumpPartition, restorePartition } from '../../src/tools/index.js';
import type { Environment } from '../../test/e2e/environment.js';
import type { BenchCase, Figures } from '../case.js';
import { copyAcross } from '../copy.js';
import { startCpuClock } from '../cpu.js';
import { loadOrders, ordersOf } from '../documents.js';

const NAME = 'orders';
const LANES = 2;
const PARTITIONS = 8;
const INSERTION_WORKERS = 4;

/** When the indexes are built: the product does it after the load. */
const moments = ['after', 'before', 'between'] as const;
type Moment = (typeof moments)[number];
type CopyPartition = (partition: Partition) => Promise<void>;

/** Time and CPU of the target until a copy with its indexes is there, by when they are built. */
export const indexOrder: BenchCase = {
  about: 'three indexes built after, before and amid the load, with both ways to copy',
  defaults: { documents: 1_000_000, rounds: 3, rate: 1 },
  quick: { documents: 10_000 },
  figure: 'readyS',
  prepare: async (environment, { documents }) => {
    await loadOrders(environment.sourceClient, NAME, documents);
    const orders = ordersOf(environment.sourceClient, NAME);
    await orders.createIndex({ email: 1 }, { unique: true });
    await orders.createIndex({ customer: 1, at: -1 });
    await orders.createIndex({ status: 1, total: 1 });
    const source = environment.sourceClient.db('shop');
    const { bytes } = await readSize(source, NAME);
    const partitions = await planPartitions({ db: source, collection: NAME }, [], {
      documents,
      bytes,
      partitionBytes: Math.ceil(bytes / PARTITIONS),
      parallelPartitions: LANES,
    });
    const copies = {
      direct: (partition: Partition) =>
        copyAcross(source, environment.targetClient.db('shop'), NAME, partition),
      dump: await byTools(environment),
    };
    return (['direct', 'dump'] as const).flatMap((copy) =>
      moments.map((moment) => ({
        name: `${copy}, indexes ${moment}`,
        run: () => measure(environment, partitions, copies[copy], moment),
      })),
    );
  },
};

async function measure(
  { sourceClient, targetClient, target }: Environment,
  partitions: readonly Partition[],
  copy: CopyPartition,
  moment: Moment,
): Promise<Figures> {
  const db = targetClient.db('shop');
  const catalogue = await readCatalogue(sourceClient.db('shop'), NAME);
  if (!catalogue) throw new Error('the source collection is gone');
  await createLike(db, NAME, catalogue, { preImages: false, uuid: undefined });
  const used = startCpuClock({ target: target.members[0]?.pid });
  const begun = performance.now();
  const build = () => createIndexes(db, NAME, loadForms(catalogue));
  if (moment === 'before') await build();
  let building: Promise<void> | undefined;
  let left = [...partitions];
  const lane = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      await copy(next);
      if (moment === 'between' && left.length <= partitions.length / 2) building ??= build();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const loadedMs = performance.now() - begun;
  if (moment === 'after') building = build();
  await building;
  const readyMs = performance.now() - begun;
  const cpu = used();
  await drop(db);
  return { loadedS: seconds(loadedMs), readyS: seconds(readyMs), ...cpu };
}

async function drop(db: Db): Promise<void> {
  await db.dropCollection(NAME);
  // The checkpoint of one run is not the next one's work.
  await db.client.db('admin').command({ fsync: 1 });
}

async function byTools({ source, target, folder }: Environment): Promise<CopyPartition> {
  const tools = await obtainMongoTools();
  const shared = { database: 'shop', collection: NAME, gzip: false };
  return async (partition) => {
    const file = join(folder, `partition-${partition.index}.bson`);
    const { signal } = new AbortController();
    await dumpPartition({
      ...shared,
      binary: tools.mongodump,
      uri: source.uri,
      query: partitionQuery(partition),
      file,
      signal,
    });
    await restorePartition({
      ...shared,
      binary: tools.mongorestore,
      uri: target.uri,
      file,
      insertionWorkers: INSERTION_WORKERS,
      signal,
    });
    await rm(file);
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 10) / 100;
}
