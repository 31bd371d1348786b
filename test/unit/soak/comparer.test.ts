import { describe, expect, it } from 'vitest';
import { compareStreams, idHex } from '../../soak/comparer.js';
import { documentOf, double, type Field, int, none, text } from '../../soak/bytes.js';
import { idSeries, singularIds } from '../../soak/ids.js';
import { Dice } from '../../soak/dice.js';

const document = (id: number, ...fields: readonly Field[]) =>
  documentOf([['_id', int(id)], ...fields]);
const five = [1, 2, 3, 4, 5].map((id) => document(id, ['a', int(id)], ['b', text('b')]));

async function* stream(documents: readonly Buffer[]): AsyncGenerator<Buffer, undefined> {
  yield* documents;
  return undefined;
}

const compare = (source: readonly Buffer[], target: readonly Buffer[]) =>
  compareStreams(stream(source), stream(target));

describe('the comparer of a soak', () => {
  it('finds nothing where all is equal, and counts', async () => {
    const bytes = five.reduce((sum, { length }) => sum + length, 0);
    const found = await compare(
      five,
      five.map((each) => Buffer.from(each)),
    );
    expect(found).toEqual({ documents: 5, bytes, count: 0, first: [] });
  });

  it.each([
    ['one byte', document(3, ['a', int(3)], ['b', text('c')])],
    ['a type', document(3, ['a', double(3)], ['b', text('b')])],
    ['the order of fields', document(3, ['b', text('b')], ['a', int(3)])],
    ['one field more', document(3, ['a', int(3)], ['b', text('b')], ['', none.null])],
    ['one field less', document(3, ['a', int(3)])],
  ])('finds %s that differs, and shows both', async (_what, other) => {
    const found = await compare(five, five.with(2, other));
    expect(found.count).toBe(1);
    expect(found.first).toHaveLength(1);
    expect(found.first[0]?.what).toContain(idHex(other));
    expect(found.first[0]?.source).toContain(five[2]?.toString('hex'));
    expect(found.first[0]?.target).toContain(other.toString('hex'));
  });

  it('finds each byte that is altered, wherever it is', async () => {
    const whole = five[2] ?? Buffer.alloc(0);
    // The length stays: a document cut short is none.
    for (let at = 4; at < whole.length; at++) {
      const other = Buffer.from(whole);
      other[at] = (other[at] ?? 0) ^ 1;
      const isId = at < 13;
      const found = await compare(five, five.with(2, other)).catch(() => ({ count: 1 }));
      expect(found.count, `byte ${at}`).toBe(isId && found.count === 2 ? 2 : 1);
    }
  });

  it('finds what is missing and what is extra, and only that', async () => {
    const missing = await compare(five, five.toSpliced(1, 1));
    expect(missing.count).toBe(1);
    expect(missing.first[0]).toMatchObject({ target: 'no such document' });
    const extra = await compare(five.toSpliced(4, 1), five);
    expect(extra.count).toBe(1);
    expect(extra.first[0]).toMatchObject({ source: 'no such document' });
    expect((await compare([], five)).count).toBe(5);
  });

  it('takes an _id of the same value and other bytes for another document', async () => {
    const other = documentOf([['_id', double(3)]]);
    expect((await compare([document(3)], [other])).count).toBe(2);
  });

  it('finds the same documents in another order', async () => {
    const found = await compare(five, five.toReversed());
    expect(found.count).toBe(1);
    expect(found.first[0]?.what).toBe('order from document 1');
  });

  it('shows of a long document what is around the difference', async () => {
    const long = (end: string) => document(1, ['t', text('x'.repeat(50_000) + end)]);
    const [difference] = (await compare([long('a')], [long('b')])).first;
    expect(difference?.source.length).toBeLessThan(1_000);
    expect(difference?.source).toContain('7861'); // x, a
    expect(difference?.target).toContain('7862');
  });

  it('reads every type of _id', () => {
    const dice = new Dice('ids');
    const made = Array.from({ length: 500 }, (_, n) => idSeries.mixed(n + 1, dice).value);
    const ids = [...made, ...singularIds.flat()];
    for (const id of ids) {
      const hex = `${Buffer.from([id.type]).toString('hex')} ${Buffer.from(id.bytes).toString('hex')}`;
      expect(
        idHex(
          documentOf([
            ['_id', id],
            ['a', int(1)],
          ]),
        ),
      ).toBe(hex);
    }
  });
});
