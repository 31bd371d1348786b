import { createRequire } from 'node:module';
import {
  BSON,
  BSONRegExp,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
} from 'mongodb';
import { describe, expect, it } from 'vitest';
import {
  asBuffer,
  documentsOf,
  fields,
  hasEmptyTimestamp,
  idOf,
  latin1,
  RawValue,
  valueLength,
  walk,
} from '../../../src/mongo/raw.js';
import { documentOf, everyId, rawOf, stringBytes } from '../../helpers/bson.js';
import { takenAs } from '../../helpers/taken-as.js';

const require = createRequire(import.meta.url);
const { DocumentSequence, OpMsgRequest } = takenAs<{
  DocumentSequence: new (field: string) => {
    push(document: object, bytes: Uint8Array): number;
    toBin(): Uint8Array;
    documents: object[];
    serializedDocumentsLength: number;
  };
  OpMsgRequest: new (db: string, command: object, options: object) => { toBin(): Uint8Array[] };
}>(require('mongodb/lib/cmap/commands.js'));

/** One value of each type by its byte, deprecated ones too, as exact bytes. */
const values: readonly [string, number, Uint8Array][] = [
  ['double', 0x01, Buffer.alloc(8, 1)],
  ['string', 0x02, stringBytes('tëxt')],
  ['string that is not UTF-8', 0x02, stringBytes(Buffer.from([0xff, 0, 0xc0]))],
  ['empty string', 0x02, stringBytes('')],
  ['document', 0x03, documentOf([0x10, '2', Buffer.alloc(4)], [0x10, '1', Buffer.alloc(4)])],
  ['empty document', 0x03, documentOf()],
  ['array', 0x04, documentOf([0x0a, '0', Buffer.alloc(0)])],
  ['binary', 0x05, Buffer.from([3, 0, 0, 0, 0x80, 1, 2, 3])],
  ['empty binary', 0x05, Buffer.from([0, 0, 0, 0, 0])],
  ['undefined', 0x06, Buffer.alloc(0)],
  ['objectId', 0x07, Buffer.alloc(12, 7)],
  ['boolean', 0x08, Buffer.from([1])],
  ['date beyond what JavaScript knows', 0x09, Buffer.from('ffffffffffffff7f', 'hex')],
  ['null', 0x0a, Buffer.alloc(0)],
  ['regular expression', 0x0b, Buffer.from('^a.*\0imx\0')],
  ['empty regular expression', 0x0b, Buffer.from('\0\0')],
  ['DBPointer', 0x0c, Buffer.concat([stringBytes('db.c'), Buffer.alloc(12, 7)])],
  ['code', 0x0d, stringBytes('return 1')],
  ['symbol', 0x0e, stringBytes('sym')],
  [
    'code with scope',
    0x0f,
    (() => {
      const bytes = Buffer.concat([Buffer.alloc(4), stringBytes('f()'), documentOf()]);
      bytes.writeInt32LE(bytes.length);
      return bytes;
    })(),
  ],
  ['int', 0x10, Buffer.alloc(4, 5)],
  ['timestamp', 0x11, Buffer.alloc(8, 6)],
  ['long', 0x12, Buffer.alloc(8, 7)],
  ['decimal', 0x13, Buffer.alloc(16, 8)],
  ['MinKey', 0xff, Buffer.alloc(0)],
  ['MaxKey', 0x7f, Buffer.alloc(0)],
];

describe('valueLength', () => {
  it.each(values)('knows the length of %s', (_what, type, bytes) => {
    const padded = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('\0after\0')]);
    expect(valueLength(type, padded, 6)).toBe(bytes.length);
  });

  it('knows every type that bson knows, and refuses others', () => {
    const { BSONType } = BSON;
    const known = new Set(values.map(([, type]) => type));
    // bson writes MinKey as -1.
    const all = Object.values(BSONType).map((type) => type & 0xff);
    expect(all.filter((type) => !known.has(type))).toEqual([]);
    expect(() => valueLength(0x14, Buffer.alloc(20), 0)).toThrow('BSON type 0x14 at byte 0');
    expect(() => valueLength(0, Buffer.alloc(20), 0)).toThrow('not known');
  });

  it('agrees with what bson writes', () => {
    const document = {
      a: new Double(1.5),
      b: 'text',
      c: { d: [1, 'x'] },
      e: new BSON.Binary(Buffer.from('abc'), 2),
      f: new ObjectId(),
      g: false,
      h: new Date(5),
      i: new BSONRegExp('^x', 'i'),
      j: new Code('f', { x: 1 }),
      k: new Int32(1),
      l: new Timestamp({ t: 1, i: 2 }),
      m: Long.fromNumber(5),
      n: Decimal128.fromString('1.5'),
      o: new MinKey(),
      p: new MaxKey(),
      q: new BSON.BSONSymbol('s'),
      r: new BSON.DBRef('c', new ObjectId()),
      s: null,
      t: new Code('g'),
    };
    const bytes = BSON.serialize(document);
    const found = fields(bytes);
    expect([...found.keys()]).toEqual(Object.keys(document));
    const length = [...found].reduce(
      (sum, [name, value]) => sum + 2 + name.length + value.bytes.length,
      5,
    );
    expect(length).toBe(bytes.length);
  });
});

describe('cutting', () => {
  it('an array gives its documents, as views of the same memory', () => {
    const one = documentOf([0x10, '_id', Buffer.alloc(4)]);
    const two = documentOf([0x02, '_id', stringBytes('x')]);
    const array = documentOf([0x03, '0', one], [0x03, '1', two]);
    const documents = documentsOf(array);
    expect(documents).toEqual([one, two]);
    expect(documents.every(({ buffer }) => buffer === array.buffer)).toBe(true);
    expect(documentsOf(documentOf())).toEqual([]);
  });

  it('fields keep their order, and of two with one name the first counts', () => {
    const [four, five] = [Buffer.from([4, 0, 0, 0]), Buffer.from([5, 0, 0, 0])];
    const found = fields(documentOf([0x10, '2', four], [0x10, '1', five], [0x10, '2', five]));
    expect([...found.keys()]).toEqual(['2', '1']);
    expect(found.get('2')?.bytes).toEqual(four);
    expect([...fields(documentOf([0x10, 'é', four])).keys()]).toEqual(['é']);
  });

  it('walks until it is told to stop', () => {
    const document = documentOf(
      ...['a', 'b', 'c']
        .map((name) => [0x0a, name, Buffer.alloc(0)] as const)
        .map((each) => [...each] as [number, string, Buffer]),
    );
    const seen: string[] = [];
    walk(document, 0, (_type, start, end) => {
      seen.push(document.toString('utf8', start, end));
      return seen.length < 2;
    });
    expect(seen).toEqual(['a', 'b']);
  });

  it('finds the _id wherever it is, and only at the top', () => {
    const id = Buffer.from([9, 0, 0, 0]);
    const inner = documentOf([0x10, '_id', Buffer.alloc(4)]);
    expect(idOf(documentOf([0x10, '_id', id])).bytes).toEqual(id);
    const late = documentOf([0x03, 'a', inner], [0x10, '_ie', Buffer.alloc(4)], [0x10, '_id', id]);
    expect(idOf(late).bytes).toEqual(id);
    expect(() => idOf(documentOf([0x03, 'a', inner]))).toThrow('without _id');
  });

  it.each([
    ['at the top', { _id: 1, t: new Timestamp(0n) }, true],
    ['as _id', { _id: new Timestamp(0n) }, true],
    ['another time', { _id: 1, t: new Timestamp(1n) }, false],
    ['only seconds', { _id: 1, t: new Timestamp({ t: 1, i: 0 }) }, false],
    ['within', { _id: 1, a: { t: new Timestamp(0n) }, b: [new Timestamp(0n)] }, false],
    ['zeros of another type', { _id: 1, a: new Date(0), b: Long.ZERO, c: new Double(0) }, false],
  ])('tells an empty timestamp: %s', (_where, document, expected) => {
    expect(hasEmptyTimestamp(BSON.serialize(document))).toBe(expected);
  });
});

// First to fail when the pinned driver or bson changes what src/mongo/raw.ts relies on.
describe('RawValue', () => {
  it.each(values)('is written as it is by bson: %s', (_what, type, bytes) => {
    const value = new RawValue(type, bytes);
    const expected = documentOf(
      [0x10, 'before', Buffer.from([1, 0, 0, 0])],
      [type, 'raw', bytes],
      [0x03, 'in', documentOf([0x04, 'list', documentOf([type, '0', bytes], [type, '1', bytes])])],
      [0x10, 'after', Buffer.from([2, 0, 0, 0])],
    );
    const document = {
      before: new Int32(1),
      raw: value,
      in: { list: [value, value] },
      after: new Int32(2),
    };
    for (const options of [{}, { checkKeys: false, ignoreUndefined: true }]) {
      expect(Buffer.from(BSON.serialize(document, options))).toEqual(expected);
    }
    expect(fields(expected).get('raw')).toEqual(value);
  });

  it('may be in a Map, and under a name that is no ASCII', () => {
    const value = rawOf('x');
    const name = 'é0 漢';
    const expected = documentOf([0x02, name, value.bytes]);
    expect(Buffer.from(BSON.serialize({ [name]: value }))).toEqual(expected);
    expect(Buffer.from(BSON.serialize(new Map([[name, value]])))).toEqual(expected);
  });

  it('may be as large as a document can be', () => {
    const large = documentOf([
      0x05,
      'b',
      Buffer.concat([Buffer.from([0, 0, 0xff, 0, 0]), Buffer.alloc(0xff0000)]),
    ]);
    const bytes = BSON.serialize({ u: [{ $literal: RawValue.document(large) }] });
    expect(Buffer.from(bytes).includes(large)).toBe(true);
  });

  it('has a key that differs as soon as type or bytes differ', () => {
    const keys = Object.values(everyId).map((id) => rawOf(id).key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(rawOf(new Int32(5)).key).not.toBe(rawOf(new Double(5)).key);
    expect(rawOf('\u00ff').key).not.toBe(rawOf('ÿ'.normalize('NFD')).key);
    const odd = new RawValue(2, stringBytes(Buffer.from([0xff])));
    expect(odd.key).not.toBe(new RawValue(2, stringBytes(Buffer.from([0xfe]))).key);
    expect(odd.key).toBe(new RawValue(2, new Uint8Array(stringBytes(Buffer.from([0xff])))).key);
  });

  it.each(values)('is to be had from its key: %s', (_what, type, bytes) => {
    const { key } = new RawValue(type, bytes);
    const value = RawValue.ofKey(key);
    expect(value.type).toBe(type);
    expect(Buffer.from(value.bytes)).toEqual(Buffer.from(bytes));
    expect(value.key).toBe(key);
  });

  it('keeps the order of integer-like keys in an _id', () => {
    const id = documentOf([0x10, '2', Buffer.alloc(4)], [0x10, '1', Buffer.alloc(4)]);
    const query = BSON.serialize({ _id: RawValue.document(id) });
    expect(fields(query).get('_id')?.bytes).toEqual(id);
  });
});

describe('the driver’s list of documents', () => {
  it('is sent as the bytes that were pushed, in a section of its own', () => {
    const documents = [documentOf([0x06, '_id', Buffer.alloc(0)]), documentOf()];
    const sequence = new DocumentSequence('documents');
    for (const document of documents) sequence.push(document, document);
    const request = new OpMsgRequest('db', { insert: 'c', documents: sequence }, {});
    const message = Buffer.concat(request.toBin());
    const section = Buffer.concat([Buffer.from('documents\0'), ...documents]);
    const at = message.indexOf(section);
    expect(at).toBeGreaterThan(0);
    // Before it: kind 1 and the section's length.
    expect(message[at - 5]).toBe(1);
    expect(message.readInt32LE(at - 4)).toBe(4 + section.length);
    expect(at + section.length).toBe(message.length);
    expect(message.readInt32LE(0)).toBe(message.length);
  });
});

describe('bytes', () => {
  it('as a Buffer share their memory', () => {
    const bytes = new Uint8Array([1, 2, 3]).subarray(1);
    asBuffer(bytes)[0] = 9;
    expect([...bytes]).toEqual([9, 3]);
    const buffer = Buffer.from([1]);
    expect(asBuffer(buffer)).toBe(buffer);
  });

  it('as text have one character each', () => {
    expect(latin1(new Uint8Array([0, 0x7f, 0x80, 0xff]))).toBe('\u0000\u007f\u0080\u00ff');
  });
});
