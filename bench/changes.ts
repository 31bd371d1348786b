import type { AnyBulkWriteOperation, Collection } from 'mongodb';
import { type Order, orderOf } from './documents.js';

const BULK = 1_000;
const LANES = 2;
/** Share of the documents that hot changes fall on. */
const HOT_SHARE = 0.01;

/** What is changed: documents anywhere, a few again and again, or all kinds of changes. */
export type Kind = 'spread' | 'hot' | 'mixed';

/** Where changes fall: on documents `0` to `documents - 1`, and new ones after them. */
export interface Changes {
  readonly kind: Kind;
  readonly count: number;
  readonly documents: number;
  readonly bytes: number;
}

let serial = 0;

/** Writes changes as fast as the server takes them, majority not waited for. */
export async function writeChanges(orders: Collection<Order>, changes: Changes): Promise<void> {
  let left = changes.count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      const length = Math.min(BULK, left);
      left -= length;
      const bulk = Array.from({ length }, () => changeOf(changes));
      await orders.bulkWrite(bulk, { ordered: false, writeConcern: { w: 1 } });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** One change of a kind: of mixed ones 80 % are updates, and half of the others put a document where there was one. */
export function changeOf({ kind, documents, bytes }: Changes): AnyBulkWriteOperation<Order> {
  const _id = Math.floor(Math.random() * documents * (kind === 'hot' ? HOT_SHARE : 1));
  const update = { updateOne: { filter: { _id }, update: { $inc: { counter: 1 } } } };
  if (kind !== 'mixed') return update;
  const dice = Math.random();
  if (dice < 0.8) return update;
  if (dice < 0.9) return { deleteOne: { filter: { _id } } };
  serial += 1;
  const text = 'lorem ipsum '.repeat(Math.ceil(bytes / 12) + 1);
  return { insertOne: { document: orderOf(documents + serial, text, bytes) } };
}
