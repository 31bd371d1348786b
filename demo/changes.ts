import { Decimal128, type Document, Int32 } from 'mongodb';
import { lineAt, sampleAt } from './documents.js';

/** What one write is. */
export type WriteKind = 'insert' | 'update' | 'replace' | 'delete' | 'transaction';

/** Share of each kind; together 1. */
const SHARES: readonly (readonly [WriteKind, number])[] = [
  ['update', 0.55],
  ['insert', 0.25],
  ['delete', 0.1],
  ['replace', 0.05],
  ['transaction', 0.05],
];

/** A kind at random, each as often as its share says. */
export function aKind(): WriteKind {
  let left = Math.random();
  for (const [kind, share] of SHARES) {
    left -= share;
    if (left < 0) return kind;
  }
  return 'update';
}

/** A change of an order at random, as an update or a pipeline. */
export function aChange(oddNames: boolean): Document | Document[] {
  const random = Math.floor(Math.random() * 1_000_000);
  const $inc = { revision: new Int32(1) };
  switch (random % 6) {
    case 0:
      return { $set: { status: 'paid', 'address.zip': random % 9999 }, $inc };
    case 1:
      return { $push: { lines: { $each: [lineAt(random)], $slice: -4 } }, $inc };
    case 2:
      return { $unset: { coupon: '' }, $inc };
    case 3:
      return { $set: { sample: sampleAt(random, oddNames) }, $inc };
    case 4:
      return { $currentDate: { changedAt: { $type: 'timestamp' } }, $inc };
    default:
      return [{ $set: { total: { $add: ['$total', Decimal128.fromString('0.10')] } } }];
  }
}
