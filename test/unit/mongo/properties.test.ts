import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { chunks } from '../../../src/mongo/chunks.js';
import { chooseCutPoints } from '../../../src/mongo/cut-points.js';
import { parseCutPoint } from '../../../src/mongo/portable-id.js';
import { documentsOf, fields, idOf, RawValue, walk } from '../../../src/mongo/raw.js';
import { tokenTime } from '../../../src/mongo/token.js';
import { documentOf, type Field } from '../../soak/bytes.js';
import { Dice } from '../../soak/dice.js';
import { newDocument } from '../../soak/documents.js';
import { idSeries } from '../../soak/ids.js';

/** Another one of each is another sample; the number shows in a failure. */
const seeds = Array.from({ length: 20 }, (_, seed) => seed);

function someDocuments(dice: Dice, most = 60): { id: RawValue; bytes: Buffer }[] {
  return Array.from({ length: dice.below(most) }, (_, n) => {
    const id = idSeries.mixed(n, dice).value;
    return { id, bytes: newDocument(id, n, dice, { odd: 0.5, dollarNames: true }) };
  });
}

describe.each(seeds)('with seed %i', (seed) => {
  it('a batch of a reply is cut into the documents that were put into it', () => {
    const documents = someDocuments(new Dice('batch', seed));
    const batch = documentOf(
      documents.map(({ bytes }, at): Field => [String(at), RawValue.document(bytes)]),
    );
    const cut = documentsOf(batch);
    expect(cut.map((one) => one.toString('hex'))).toEqual(
      documents.map(({ bytes }) => bytes.toString('hex')),
    );
    expect(cut.map((one) => idOf(one).key)).toEqual(documents.map(({ id }) => id.key));
  });

  it('a walk passes every byte of a document once', () => {
    for (const { bytes } of someDocuments(new Dice('walk', seed))) {
      const passed = [bytes.subarray(0, 4)];
      walk(bytes, 0, (type, nameStart, _nameEnd, _valueStart, valueEnd) => {
        expect(bytes[nameStart - 1]).toBe(type);
        passed.push(bytes.subarray(nameStart - 1, valueEnd));
      });
      expect(Buffer.concat([...passed, Buffer.alloc(1)])).toEqual(bytes);
    }
  });

  it('chunks hold everything once, in order, within their limits', () => {
    const dice = new Dice('chunks', seed);
    const sizes = Array.from({ length: dice.below(200) }, () => dice.below(120));
    const limits = { items: dice.between(1, 20), bytes: dice.between(100, 1000) };
    const parts = [...chunks(sizes, (size) => size, limits)];
    expect(parts.flat()).toEqual(sizes);
    for (const part of parts) {
      expect(part.length).toBeGreaterThan(0);
      expect(part.length).toBeLessThanOrEqual(limits.items);
      const bytes = part.reduce((sum, size) => sum + size, 0);
      // One that is larger than the limit goes alone.
      if (part.length > 1) expect(bytes).toBeLessThanOrEqual(limits.bytes);
    }
  });

  it('tokens have the order of their times', () => {
    const dice = new Dice('tokens', seed);
    const hex = (value: number) => value.toString(16).padStart(8, '0').toUpperCase();
    const part = () => dice.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff, dice.below(2 ** 31)]);
    const times = Array.from({ length: 50 }, (): [number, number] => [part(), part()]);
    const inTime = times.toSorted(([a, b], [c, d]) => a - c || b - d);
    const tokens = times.map(([t, i]) => `82${hex(t)}${hex(i)}2B0429296E1404`).toSorted();
    expect(
      tokens.map((token) => {
        const time = tokenTime(token);
        return [time.getHighBitsUnsigned(), time.getLowBitsUnsigned()];
      }),
    ).toEqual(inTime);
  });

  it('cut points are ids of the collection in their order, each once, and the exact ones', () => {
    const dice = new Dice('cuts', seed);
    const ids = someDocuments(dice, 300).map(({ id }) => id);
    const count = dice.between(1, 20);
    const cuts = chooseCutPoints(ids, count).map((text) => {
      const value = fields(BSON.serialize({ v: parseCutPoint(text) })).get('v');
      if (!value) throw new Error('no value');
      return ids.findIndex(({ key }) => key === value.key);
    });
    expect(cuts.length).toBeLessThan(count);
    expect(cuts).not.toContain(-1);
    expect(cuts).toEqual([...new Set(cuts)].toSorted((a, b) => a - b));
  });
});
