import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb';

/** A value that a migration may lose, with a name for it. */
export interface Sample {
  readonly kind: string;
  readonly value: unknown;
}

const bytes = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const uuid = new UUID('6f1d9f2e-3c43-4b0b-9b6c-0a9d0c2f4e11');
const oid = new ObjectId('0123456789abcdef01234567');
/** Deep, and still within what MongoDB stores (100 levels). */
const LEVELS = 60;

/** Each BSON type, and of each the values that decoding and encoding again are known to change. */
export const samples: readonly Sample[] = [
  { kind: 'int', value: [new Int32(0), new Int32(-2_147_483_648), new Int32(2_147_483_647)] },
  { kind: 'long', value: [Long.fromNumber(1), Long.MIN_VALUE, Long.MAX_VALUE] },
  { kind: 'integral double', value: [new Double(1), new Double(1e15)] },
  { kind: 'NaN', value: new Double(Number.NaN) },
  { kind: 'negative zero', value: new Double(-0) },
  { kind: 'infinities', value: [new Double(Infinity), new Double(-Infinity)] },
  { kind: 'smallest double', value: new Double(Number.MIN_VALUE) },
  { kind: 'decimal', value: ['0', '-0', '1.0', '1.00', '1E+3', '1000'].map(decimal) },
  { kind: 'decimal limits', value: ['NaN', '-Infinity', '9.99E+6144', '1E-6176'].map(decimal) },
  { kind: 'date', value: [new Date(0), new Date(-1), new Date('1582-10-04T00:00:00Z')] },
  { kind: 'date far out', value: [new Date(8.64e15), new Date(-8.64e15)] },
  { kind: 'timestamp', value: [timestamp(0, 0), timestamp(1, 0), timestamp(0xffffffff, 7)] },
  { kind: 'binary', value: [0, 1, 2, 5, 128, 255].map((subtype) => new Binary(bytes, subtype)) },
  { kind: 'empty binary', value: new Binary(Buffer.alloc(0)) },
  { kind: 'uuid', value: [uuid, new Binary(bytes, Binary.SUBTYPE_UUID_OLD)] },
  { kind: 'object id', value: [oid, new ObjectId('0'.repeat(24))] },
  { kind: 'regex', value: [new BSONRegExp('^a/b.*$', 'imsx'), /simple/, new BSONRegExp('')] },
  { kind: 'code', value: new Code('function () { return 1; }') },
  { kind: 'code with scope', value: new Code('function () { return a; }', { a: new Int32(1) }) },
  { kind: 'symbol', value: new BSONSymbol('symbol') },
  { kind: 'keys', value: [new MinKey(), new MaxKey()] },
  { kind: 'reference', value: new DBRef('customers', oid, 'shop') },
  { kind: 'null and booleans', value: [null, true, false] },
  { kind: 'text', value: ['', 'a\u0000b', '日本語', '🙂', 'e\u0301', 'é'] },
  { kind: 'empty', value: [{}, [], [[]], [{}]] },
  { kind: 'empty key', value: { '': new Int32(1) } },
  // A JavaScript object would sort these.
  { kind: 'integer-like keys', value: keys('10', '2', 'b', '1', '0', '-1', 'a', '007') },
  { kind: 'mixed array', value: [new Int32(1), 'two', { three: 3 }, [new Double(4)], null] },
  { kind: 'nested', value: nest(LEVELS) },
  { kind: 'large', value: new Binary(Buffer.alloc(4096, 'changestream ')) },
];

/** Names that MongoDB stores since 5.0 and many a tool cannot write. */
export const oddlyNamed: readonly Sample[] = [
  { kind: 'dollar keys', value: { $price: new Int32(1), $set: { $inc: 1 }, $: 'alone' } },
  { kind: 'dotted keys', value: { 'a.b': new Int32(1), '.': 2, 'a.': { '.b': 3 } } },
];

function decimal(text: string): Decimal128 {
  return Decimal128.fromString(text);
}

function timestamp(t: number, i: number): Timestamp {
  return new Timestamp({ t, i });
}

function keys(...names: string[]): Map<string, Int32> {
  return new Map(names.map((name, index) => [name, new Int32(index)]));
}

function nest(levels: number): object {
  return levels === 0 ? { bottom: true } : { level: new Int32(levels), below: nest(levels - 1) };
}
