import {
  Binary,
  BSON,
  Code,
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
import { fields, RawValue } from '../../src/mongo/raw.js';

/** A value as BSON bytes. */
export function rawOf(value: unknown): RawValue {
  const found = fields(BSON.serialize({ value })).get('value');
  if (!found) throw new Error('a value was expected');
  return found;
}

/** The key of an `_id`. */
export function keyOf(id: unknown): string {
  return rawOf(id).key;
}

/** A BSON document of elements, each a type byte, a name and the value's bytes: also what no driver would write. */
export function documentOf(
  ...elements: readonly (readonly [type: number, name: string | Uint8Array, bytes: Uint8Array])[]
): Buffer {
  const body = elements.map(([type, name, bytes]) =>
    Buffer.concat([Buffer.from([type]), Buffer.from(name), Buffer.alloc(1), bytes]),
  );
  const document = Buffer.concat([Buffer.alloc(4), ...body, Buffer.alloc(1)]);
  document.writeInt32LE(document.length);
  return document;
}

/** A BSON string's bytes; `text` may be bytes that are no UTF-8. */
export function stringBytes(text: string | Uint8Array): Buffer {
  const body = Buffer.from(text);
  const bytes = Buffer.alloc(4 + body.length + 1);
  bytes.writeInt32LE(body.length + 1);
  body.copy(bytes, 4);
  return bytes;
}

/** Types of `_id`. Documents are Maps, which also keep the order of integer-like keys. */
export type Id =
  | string
  | number
  | boolean
  | null
  | Int32
  | Double
  | Long
  | Decimal128
  | Date
  | Timestamp
  | ObjectId
  | Binary
  | Code
  | MinKey
  | MaxKey
  | ReadonlyMap<string, unknown>;

/** An `_id` of each type that a server takes, by what it is. All are different values. */
export const everyId: Readonly<Record<string, Id>> = {
  'int 0': new Int32(0),
  'int -1': new Int32(-1),
  'double 1.5': new Double(1.5),
  'double NaN': new Double(NaN),
  'double -Infinity': new Double(-Infinity),
  'long beyond 2^53': Long.fromString('9007199254740993'),
  'decimal 0.10': Decimal128.fromString('0.10'),
  'decimal 1E+6000': Decimal128.fromString('1E+6000'),
  'empty text': '',
  'text with zero': 'a\u0000b',
  'text é 漢 😀': 'é 漢 😀',
  'long text': 'k'.repeat(5000),
  null: null,
  false: false,
  true: true,
  'date before 1970': new Date(-1),
  'timestamp 0': new Timestamp({ t: 0, i: 0 }),
  'timestamp 1': new Timestamp({ t: 1, i: 1 }),
  objectId: new ObjectId('000000000000000000000001'),
  uuid: new UUID('00112233-4455-6677-8899-aabbccddeeff'),
  'old binary': new Binary(Buffer.from('abc'), 2),
  binary: new Binary(Buffer.from('abc'), 0x80),
  code: new Code('return 1'),
  minKey: new MinKey(),
  maxKey: new MaxKey(),
  'empty document': new Map(),
  'document of integer-like keys': new Map<string, unknown>([
    ['2', new Int32(1)],
    ['b', 'x'],
    ['1', new Int32(2)],
  ]),
  'document with dots': new Map([['a.b', 1]]),
  'nested document': new Map([['a', { b: [1, { c: null }] }]]),
};

/** `_id`s that servers store and bson cannot read: a far date, no UTF-8, binaries of a wrong length. */
export const unreadableIds: readonly RawValue[] = [
  new RawValue(0x09, Buffer.from('ffffffffffffff7f', 'hex')),
  new RawValue(0x02, stringBytes(Buffer.from([0xff]))),
  new RawValue(0x05, Buffer.from('0100000004ff', 'hex')),
  new RawValue(0x05, Buffer.from('0100000002ff', 'hex')),
];
