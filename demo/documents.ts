import {
  Binary,
  Decimal128,
  type Document,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb';
import { oddlyNamed, type Sample, samples } from './values.js';

/** What an order is made of, beyond its index. */
export interface OrderOptions {
  /** Its `_id`; the one of `idAt` when left out. */
  readonly id?: unknown;
  /** Its unique number; the index when left out. */
  readonly number?: number;
  /** The server stores `$`-prefixed and dotted keys (5.0 and newer). */
  readonly oddNames: boolean;
}

const CITIES = ['Orléans', 'orleans', 'Lyon', 'Montréal', 'montreal', 'Genève', 'Åre', 'Zürich'];
const STATUSES = ['new', 'paid', 'packed', 'sent', 'returned'];
const NOTES = ['leave at the door', 'gift wrapping, please', 'call before delivery', 'fragile'];
const COLOURS = ['red', 'green', 'blue', 'black'];
const FIRST_ORDER = Date.UTC(2020, 0, 1);
const YEARS_MS = 365 * 24 * 3600 * 1000;
/** `_id`s that no query by range or type meets by chance. */
const RARE_IDS: readonly unknown[] = [
  null,
  new MinKey(),
  new MaxKey(),
  true,
  false,
  '',
  new Double(Number.NaN),
  new Double(-Infinity),
  {},
];

/** The `_id` of the document with this index: all types that MongoDB takes, each index its own value. */
export function idAt(index: number): unknown {
  if (index < RARE_IDS.length) return RARE_IDS[index];
  switch (index % 16) {
    case 0:
      return new Int32(index);
    case 1:
      return Long.fromNumber(index);
    case 2:
      return new Double(index + 0.5);
    case 3:
      return `order-${index}`;
    case 4:
      return new UUID(index.toString(16).padStart(32, '0'));
    case 5:
      return new Date(FIRST_ORDER + index);
    case 6:
      // The server compares the bytes, so the order of these keys is part of the identity.
      return new Map<string, unknown>([
        ['2', new Int32(index)],
        ['1', 'shop'],
      ]);
    case 7:
      return Decimal128.fromString(`${index}.25`);
    case 8:
      return new Binary(Buffer.from(`order-${index}`), 128);
    case 9:
      return new Timestamp({ t: index, i: 1 });
    default:
      return ObjectId.createFromHexString(index.toString(16).padStart(24, '0'));
  }
}

/** The same document for the same index, always. About 600 bytes, and some BSON types in each. */
export function orderAt(index: number, { id, number, oddNames }: OrderOptions): Document {
  return {
    // Null is an `_id` too.
    _id: id === undefined ? idAt(index) : id,
    number: Long.fromNumber(number ?? index),
    customer: new Int32((index * 7919) % 50_000),
    status: pick(STATUSES, index),
    total: Decimal128.fromString(`${index % 1000}.${String(index % 100).padStart(2, '0')}`),
    weight: new Double((index % 97) / 7),
    placedAt: new Date(FIRST_ORDER + index * 1000),
    // No document expires while anyone looks.
    expiresAt: new Date(Date.UTC(2090, 0, 1) + (index % 1000) * 86_400_000),
    changedAt: new Timestamp({ t: 1_600_000_000 + (index % 1_000_000), i: 1 }),
    lines: Array.from({ length: 1 + (index % 3) }, (_, line) => lineAt(index + line)),
    tags: [pick(COLOURS, index), `tag-${index % 50}`],
    address: { street: `${index % 300} Main Street`, city: pick(CITIES, index), zip: index % 9999 },
    place: { type: 'Point', coordinates: [(index % 3600) / 10 - 180, (index % 1600) / 10 - 80] },
    ...(index % 3 === 0 && { coupon: `C${index % 500}` }),
    note: pick(NOTES, index),
    attributes: { colour: pick(COLOURS, index), size: new Int32(index % 60) },
    sample: sampleAt(index, oddNames),
    revision: new Int32(0),
  };
}

/** One of the values that a migration may lose. */
export function sampleAt(index: number, oddNames: boolean): Sample {
  const all = oddNames ? [...samples, ...oddlyNamed] : samples;
  return all[index % all.length] ?? { kind: 'none', value: null };
}

/** A line of an order. */
export function lineAt(index: number): Document {
  return {
    sku: `SKU-${(index * 31) % 10_000}`,
    quantity: new Int32(1 + (index % 9)),
    price: Decimal128.fromString(`${1 + (index % 80)}.90`),
  };
}

/** How long orders are kept, in seconds: the expiry of the index on `expiresAt`. */
export const KEPT_SECONDS = (10 * YEARS_MS) / 1000;

function pick(list: readonly string[], index: number): string {
  return list[index % list.length] ?? '';
}
