import { BSON, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { alone } from '../../../src/mongo/bundle.js';
import { changeCodes, encodeChange, needsExactWrite } from '../../../src/mongo/change.js';
import { asBuffer, fields, idOf } from '../../../src/mongo/raw.js';
import { documentOf, everyId, rawOf } from '../../helpers/bson.js';

const TOKEN = '8265A0B1C2000000012B042C0100296E5A1004';
const TIME = new Timestamp({ t: 1_700_000_000, i: 1 });
const MAX = 16 * 1024 * 1024;

/** A document of exactly this size. */
function sized(bytes: number): Buffer {
  const overhead = documentOf([0x10, '_id', Buffer.alloc(4)], [0x05, 'b', Buffer.alloc(5)]).length;
  const body = Buffer.alloc(5 + bytes - overhead);
  body.writeInt32LE(bytes - overhead);
  return documentOf([0x10, '_id', Buffer.from([1, 0, 0, 0])], [0x05, 'b', body]);
}

function kindOf(change: Buffer): unknown {
  return BSON.deserialize(change)['o'];
}

describe('encodeChange', () => {
  it.each(Object.entries(everyId))('writes what bson reads: _id %s', (_what, value) => {
    const id = rawOf(value);
    const document = Buffer.from(BSON.serialize(new Map([['_id', value], ['2', 1], ['1', 'x']]))); // prettier-ignore
    for (const body of [document, undefined]) {
      const change = encodeChange(TOKEN, id, body);
      expect(change.readInt32LE()).toBe(change.length);
      const { o, n } = BSON.deserialize(change);
      expect(n).toBe(body?.length ?? 0);
      expect(Object.values(changeCodes)).toContain(o);
      expect(fields(change).get('d')?.bytes).toEqual(body);
      expect([...fields(change).keys()].slice(0, 3)).toEqual(['o', 'k', 'n']);
    }
  });

  it('keeps the exact bytes of the _id, but the empty timestamp where a server would alter it', () => {
    for (const value of Object.values(everyId)) {
      const id = rawOf(value);
      const { bytes } = fields(encodeChange(TOKEN, id)).get('k') ?? { bytes: Buffer.alloc(0) };
      expect(asBuffer(bytes).includes(asBuffer(id.bytes))).toBe(true);
    }
  });

  it('keeps the former _id beside the one that the document has', () => {
    for (const value of Object.values(everyId)) {
      const [id, was] = [rawOf(5), rawOf(value)];
      const change = encodeChange(TOKEN, id, Buffer.from(BSON.serialize({ _id: 5 })), was);
      expect(change.readInt32LE()).toBe(change.length);
      const key = fields(change).get('k')?.bytes ?? Buffer.alloc(0);
      expect([...fields(key)].map(([name, raw]) => [name, raw.key])).toEqual([
        ['i', id.key],
        ['w', was.key],
      ]);
      expect(BSON.deserialize(fields(change).get('d')?.bytes ?? Buffer.alloc(0))).toEqual({
        _id: 5,
      });
    }
  });

  it('writes no top-level empty timestamp of its own: an insert would make it the current time', () => {
    const id = rawOf(new Timestamp(0n));
    const change = encodeChange(TOKEN, id);
    const empty = [...fields(change)].filter(
      ([, { type, bytes }]) => type === 0x11 && asBuffer(bytes).readBigUInt64LE() === 0n,
    );
    expect(empty).toEqual([]);
  });

  it.each([
    ['a document', rawOf(1), { _id: 1 }, 'u'],
    ['no document', rawOf(1), undefined, 'd'],
    ['_id null', rawOf(null), { _id: null }, 'x'],
    ['no document of _id null', rawOf(null), undefined, 'd'],
    ['an empty timestamp', rawOf(1), { _id: 1, t: new Timestamp(0n) }, 'x'],
    ['an empty timestamp within', rawOf(1), { _id: 1, a: { t: new Timestamp(0n) } }, 'u'],
    ['a name that begins with $, which $merge refuses', rawOf(1), { _id: 1, $ref: 1 }, 'x'],
    ['a name that begins with $ within', rawOf(1), { _id: 1, a: { $ref: 1 } }, 'u'],
  ])('tells what replay has to do: %s', (_what, id, document, kind) => {
    const bytes = document && Buffer.from(BSON.serialize(document));
    expect(kindOf(encodeChange(TOKEN, id, bytes))).toBe(kind);
    if (bytes) expect(needsExactWrite(id, bytes)).toBe(kind === 'x');
  });

  it('leaves out a document with which the change would not fit', () => {
    const id = rawOf(1);
    const whole = (change: Buffer) => alone({ token: TOKEN, time: TIME, bytes: change });
    const envelope = whole(encodeChange(TOKEN, id, sized(100))).length - 100;
    const fits = encodeChange(TOKEN, id, sized(MAX - envelope));
    expect([kindOf(fits), whole(fits).length]).toEqual(['u', MAX]);
    for (const size of [MAX - envelope + 1, MAX]) {
      const change = encodeChange(TOKEN, id, sized(size));
      expect(kindOf(change)).toBe('r');
      expect(fields(change).has('d')).toBe(false);
      expect(BSON.deserialize(change)['n']).toBe(size);
      expect(change.length).toBeLessThan(200);
    }
    // A long _id counts as well.
    const long = rawOf('x'.repeat(1000));
    expect(kindOf(encodeChange(TOKEN, long, sized(MAX - envelope)))).toBe('r');
  });

  it('makes a document of the helper’s size', () => {
    expect(sized(5000)).toHaveLength(5000);
    expect(idOf(sized(50)).type).toBe(0x10);
  });
});
