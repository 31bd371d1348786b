import { BSON, BSONType, type Db, type Document } from 'mongodb';
import { readHello } from './hello.js';
import { decode } from './catalogue.js';
import { chooseCutPoints, sampleIds, type Walk, walkToCutPoints } from './cut-points.js';
import { parseCutPoint } from './portable-id.js';
import { asBuffer, fields, type RawValue, runRaw } from './raw.js';
import { typeRange } from './type-range.js';

/**
 * A range of `_id`s. Bounds are canonical Extended JSON of one value each, `min` inclusive and `max`
 * exclusive; the first partition has no `min`, the last no `max`.
 */
export interface Partition {
  readonly index: number;
  readonly min?: string;
  readonly max?: string;
  /** Its filter has plain comparisons too, for a server that finds no range of mixed types: before 5.0. */
  readonly byType?: boolean;
}

/** A collection whose server is to find partitions by index; it may be empty. */
export interface Ranged {
  readonly db: Db;
  readonly collection: string;
}

/** What partitions are planned by. Bytes are those of BSON documents, uncompressed. */
export interface PartitionPlan {
  readonly documents: number;
  readonly bytes: number;
  readonly partitionBytes: number;
  readonly parallelPartitions: number;
  /** For what must be read in its natural order, or cannot be read by ranges: one partition. */
  readonly singlePartition?: boolean;
  /**
   * Cut the first partition to a quarter, so that what is written begins sooner and the ones that are copied at the
   * same time do not all read, and then all write. Not where cut points are sampled.
   */
  readonly staggered?: boolean;
}

/** Of a plan: each takes some events of the workflow's history, which servers limit. */
export const MOST_PARTITIONS = 1000;
/** Below this, what starts a partition takes longer than copying it. */
const LEAST_PARTITION_BYTES = 32 * 1024 ** 2;
/** Of a staggered plan's first partition. */
const FIRST_SHARE = 0.25;
/** Index entries that are walked along at most: some 15 s at the server. */
const MOST_WALKED = 50_000_000;
/** How a server writes the bounds of a scan of its whole index. */
const EVERYTHING = '[MinKey, MaxKey]';
const WHOLE: readonly Partition[] = [{ index: 0 }];

/**
 * Number of partitions to aim at; the plan may have fewer where no good bounds are found. As many for each of those
 * that are copied at the same time, so that none is left over and copied alone.
 */
export function partitionCount(plan: PartitionPlan): number {
  const { bytes, partitionBytes, parallelPartitions, singlePartition } = plan;
  if (singlePartition) return 1;
  const rounds = Math.ceil(bytes / partitionBytes / parallelPartitions);
  const bySize = rounds > 1 ? rounds * parallelPartitions : Math.ceil(bytes / partitionBytes);
  const byHands = Math.min(parallelPartitions, Math.floor(bytes / LEAST_PARTITION_BYTES));
  return Math.max(1, Math.min(MOST_PARTITIONS, Math.max(bySize, byHands)));
}

/**
 * Cuts a collection into ranges of `_id` of about the same number of documents, without reading all
 * of it. Every `_id` of any type, now or later, is in exactly one of them. One partition for all
 * where a range could not be found by index, here or in the collections beside it: in clustered ones.
 */
export async function planPartitions(
  cut: Ranged,
  beside: readonly Ranged[],
  plan: PartitionPlan,
  walk: Walk = {},
): Promise<readonly Partition[]> {
  const { signal } = walk;
  const { db, collection } = cut;
  const count = partitionCount(plan);
  if (count === 1) return WHOLE;
  const found = await chooseRanges([cut, ...beside], signal);
  if (!found) return WHOLE;
  const { msg }: { msg?: string } = await readHello(db, { signal });
  // A sample varies by a fifth at best, and by far more on data that was written just now: it is
  // for what would take too long to walk along.
  if (plan.documents > MOST_WALKED || msg === 'isdbgrid') {
    const ids = await sampleIds(db, collection, plan.documents, count, walk);
    return partitionsOf(chooseCutPoints(ids, count), found);
  }
  const { documents, staggered } = plan;
  const size = Math.max(1, Math.ceil(documents / count));
  const first = staggered ? Math.max(1, Math.ceil(size * FIRST_SHARE)) : size;
  const most = Math.min(MOST_PARTITIONS, staggered ? count + 1 : count) - 1;
  return partitionsOf(await walkToCutPoints(db, collection, { size, first, most }, walk), found);
}

/** The partitions between cut points, which are in the server's order and all different. */
export function partitionsOf(
  points: readonly string[],
  found: Pick<Partition, 'byType'> = {},
): readonly Partition[] {
  return [undefined, ...points].map((min, index) => {
    const max = points[index];
    return {
      index,
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      ...found,
    };
  });
}

/**
 * Filter of a partition for `find`; empty for the whole collection. It compares in `$expr`, where
 * all values of all types are in one order: `{_id: {$lt: x}}` would find only values of x's type.
 */
export function partitionFilter({ min, max, byType }: Partition): Document {
  const [from, to] = [min, max].map((text) => text && parseCutPoint(text));
  const bounds: Document[] = [];
  if (min !== undefined) bounds.push({ $gte: ['$_id', { $literal: from }] });
  if (max !== undefined) bounds.push({ $lt: ['$_id', { $literal: to }] });
  if (bounds.length === 0) return {};
  return { $expr: { $and: bounds }, ...(byType && typeRange(from, to)) };
}

/** The same filter as canonical Extended JSON, for mongodump's `--query`; `{}` for the whole. */
export function partitionQuery(partition: Partition): string {
  return BSON.EJSON.stringify(partitionFilter(partition), { relaxed: false });
}

/**
 * Asks the servers how they find ranges by index.
 * @returns what partitions need for it; nothing where a range would be a full scan.
 */
export async function chooseRanges(
  sides: readonly Ranged[],
  signal?: AbortSignal,
): Promise<Pick<Partition, 'byType'> | undefined> {
  const points = ['{"$numberInt":"0"}', '{"$numberInt":"1"}'];
  for (const found of [{}, { byType: true }]) {
    const trials = partitionsOf(points, found).flatMap((trial) =>
      sides.map(({ db, collection }) => usesIdIndex(db, collection, trial, signal)),
    );
    if ((await Promise.all(trials)).every(Boolean)) return found;
  }
  return undefined;
}

/** Asks the server whether it finds a partition by the index of `_id`, in its order, not by a full scan. */
export async function usesIdIndex(
  db: Db,
  collection: string,
  partition: Partition,
  signal?: AbortSignal,
): Promise<boolean> {
  // The copy reads in any order. The comparison reads in that of `_id`, and a server sorts 100 MB at most.
  for (const order of [{}, { sort: { _id: 1 } }]) {
    const explain = { find: collection, filter: partitionFilter(partition), ...order };
    if (!(await isBoundedPlan(db, explain, signal))) return false;
  }
  return true;
}

async function isBoundedPlan(db: Db, explain: Document, signal?: AbortSignal): Promise<boolean> {
  // Not decoded: under a collation a plan shows bounds that are not text, which bson refuses.
  const { queryPlanner } = await runRaw(db, { explain, verbosity: 'queryPlanner' }, { signal });
  const winning = queryPlanner instanceof Uint8Array && fields(queryPlanner).get('winningPlan');
  // Under mongos each shard has a plan; wherever the stages are, none of them may scan.
  const stages = winning ? [...stagesOf(winning)] : [];
  const scans = stages.filter((stage) => /SCAN/.test(nameOf(stage)));
  const isSorted = stages.every((stage) => nameOf(stage) !== 'SORT');
  return isSorted && scans.length > 0 && scans.every(isBounded);
}

function* stagesOf(value: RawValue): Generator<ReadonlyMap<string, RawValue>> {
  if (value.type !== BSONType.object && value.type !== BSONType.array) return;
  const node = fields(value.bytes);
  if (node.has('stage')) yield node;
  for (const inner of node.values()) yield* stagesOf(inner);
}

function nameOf(stage: ReadonlyMap<string, RawValue>): string {
  return String(decode(stage.get('stage')));
}

function isBounded(scan: ReadonlyMap<string, RawValue>): boolean {
  const [key, bounds] = [scan.get('keyPattern'), scan.get('indexBounds')];
  // An index that only begins with _id will do as well.
  if (key) {
    const isOfId = fields(key.bytes).keys().next().value === '_id';
    const ofId = bounds && fields(bounds.bytes).get('_id');
    return isOfId && ofId !== undefined && !asBuffer(ofId.bytes).includes(EVERYTHING);
  }
  return scan.has('minRecord') && scan.has('maxRecord');
}
