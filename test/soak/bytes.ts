import { Decimal128 } from 'mongodb';
import { RawValue } from '../../src/mongo/raw.js';

/** A field that is to be written: a name, which may be no UTF-8, and a value. */
export type Field = readonly [name: string | Uint8Array, value: RawValue];

/** A BSON document of these fields, as they are: doubled names and any order too. */
export function documentOf(fields: readonly Field[]): Buffer {
  const parts: Uint8Array[] = [Buffer.alloc(4)];
  for (const [name, value] of fields) {
    parts.push(Uint8Array.of(value.type), asBytes(name), Uint8Array.of(0), value.bytes);
  }
  const document = Buffer.concat([...parts, Uint8Array.of(0)]);
  document.writeInt32LE(document.length);
  return document;
}

/** A document as a value. */
export function object(...fields: readonly Field[]): RawValue {
  return new RawValue(0x03, documentOf(fields));
}

/** An array; its names are 0, 1, 2 as they should be. */
export function array(...values: readonly RawValue[]): RawValue {
  return arrayNamed(...values.map((value, index): Field => [String(index), value]));
}

/** An array with names of its own, which servers store as they are. */
export function arrayNamed(...fields: readonly Field[]): RawValue {
  return new RawValue(0x04, documentOf(fields));
}

export function int(value: number): RawValue {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return new RawValue(0x10, bytes);
}

export function long(value: bigint | number): RawValue {
  return new RawValue(0x12, int64(value));
}

export function double(value: number): RawValue {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return new RawValue(0x01, bytes);
}

/** A double by its bits, most significant first: JavaScript has one NaN only. */
export function doubleOfBits(hex: string): RawValue {
  return new RawValue(0x01, Buffer.from(hex, 'hex').toReversed());
}

export function decimal(digits: string): RawValue {
  return new RawValue(0x13, Decimal128.fromString(digits).bytes);
}

/** A decimal by its bits, most significant first. */
export function decimalOfBits(hex: string): RawValue {
  return new RawValue(0x13, Buffer.from(hex, 'hex').toReversed());
}

/** Milliseconds since 1970, also beyond what JavaScript's dates reach. */
export function date(milliseconds: bigint | number): RawValue {
  return new RawValue(0x09, int64(milliseconds));
}

export function timestamp(seconds: number, increment: number): RawValue {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(increment);
  bytes.writeUInt32LE(seconds, 4);
  return new RawValue(0x11, bytes);
}

/** A string; bytes may be no UTF-8. */
export function text(value: string | Uint8Array): RawValue {
  return new RawValue(0x02, withLength(value));
}

export function symbol(value: string): RawValue {
  return new RawValue(0x0e, withLength(value));
}

export function code(value: string): RawValue {
  return new RawValue(0x0d, withLength(value));
}

export function codeWithScope(value: string, ...scope: readonly Field[]): RawValue {
  const bytes = Buffer.concat([Buffer.alloc(4), withLength(value), documentOf(scope)]);
  bytes.writeInt32LE(bytes.length);
  return new RawValue(0x0f, bytes);
}

export function objectId(hex: string): RawValue {
  return new RawValue(0x07, Buffer.from(hex, 'hex'));
}

export function dbPointer(namespace: string, hex: string): RawValue {
  return new RawValue(0x0c, Buffer.concat([withLength(namespace), Buffer.from(hex, 'hex')]));
}

export function binary(subtype: number, content: Uint8Array): RawValue {
  const head = Buffer.alloc(5);
  head.writeInt32LE(content.length);
  head[4] = subtype;
  return new RawValue(0x05, Buffer.concat([head, content]));
}

/** Binary of the old kind, which repeats its length inside. */
export function oldBinary(content: Uint8Array): RawValue {
  const inner = Buffer.alloc(4);
  inner.writeInt32LE(content.length);
  return binary(2, Buffer.concat([inner, content]));
}

export function regex(pattern: string, flags: string): RawValue {
  return new RawValue(0x0b, Buffer.from(`${pattern}\0${flags}\0`));
}

export function bool(value: boolean): RawValue {
  return new RawValue(0x08, Uint8Array.of(value ? 1 : 0));
}

const nothing = new Uint8Array(0);
/** Values without bytes. */
export const none = {
  null: new RawValue(0x0a, nothing),
  undefined: new RawValue(0x06, nothing),
  minKey: new RawValue(0xff, nothing),
  maxKey: new RawValue(0x7f, nothing),
} as const;

function int64(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

function withLength(value: string | Uint8Array): Buffer {
  const content = asBytes(value);
  const bytes = Buffer.alloc(4 + content.length + 1);
  bytes.writeInt32LE(content.length + 1);
  bytes.set(content, 4);
  return bytes;
}

function asBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}
