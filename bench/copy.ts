import type { Db } from 'mongodb';
import { collectionUuid } from '../src/mongo/buffer.js';
import { copyDirectly } from '../src/mongo/direct-copy.js';
import { type Partition, partitionFilter } from '../src/mongo/partitions.js';
import { unfenced } from '../test/helpers/data-path.js';

/** Copies a collection, or a partition of it, from server to server as the product does. */
export async function copyAcross(
  source: Db,
  target: Db,
  name: string,
  partition?: Partition,
): Promise<void> {
  await copyDirectly({
    source,
    sourceCollection: name,
    target,
    targetCollection: name,
    targetUuid: await collectionUuid(target, name),
    filter: partition ? partitionFilter(partition) : {},
    ordered: false,
    fence: unfenced,
    signal: new AbortController().signal,
    touch: () => undefined,
    onProgress: () => undefined,
    onRefused: async () => undefined,
  });
}
