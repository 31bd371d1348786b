import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { shapeBlocker } from '../../src/blockers.js';
import { toFailure } from '../../src/failures.js';
import { fields } from '../../src/mongo/raw.js';
import { compareCatalogues } from '../../src/mongo/catalogue-difference.js';
import { type DocumentDifference, showId } from '../../src/mongo/compare.js';
import { duplicatesError } from '../../src/mongo/duplicates.js';
import { showRefusal } from '../../src/mongo/refusal.js';
import { summariseDifferences } from '../../src/mongo/verification.js';
import { RawValue } from '../../src/mongo/raw.js';
import { shorten } from '../../src/shorten.js';
import { text } from '../soak/bytes.js';

const MEGABYTE = 1024 * 1024;
const long = 'x'.repeat(MEGABYTE);

describe('what is shown of documents', () => {
  it('stays as it is up to 200 characters, and ends with an ellipsis beyond', () => {
    expect(shorten('x'.repeat(200))).toBe('x'.repeat(200));
    expect(shorten('x'.repeat(201))).toBe(`${'x'.repeat(199)}…`);
  });

  it('is not cut within a character', () => {
    expect(shorten(`${'x'.repeat(198)}\u{1F600}y`)).toBe(`${'x'.repeat(198)}…`);
    expect(shorten(`${'x'.repeat(197)}\u{1F600}yz`)).toBe(`${'x'.repeat(197)}\u{1F600}…`);
  });

  it.each<[string, RawValue]>([
    ['text', text(long)],
    ['a document', RawValue.document(BSON.serialize({ [long]: 1 }))],
    ['text that is no UTF-8', new RawValue(0x02, Buffer.alloc(MEGABYTE, 0xff))],
  ])('is short of an _id that is %s', (_what, id) => {
    expect(showId(id).length).toBeLessThan(300);
    const differences: DocumentDifference[] = Array.from({ length: 20 }, () => ({
      id,
      kind: 'missing',
    }));
    expect(JSON.stringify(summariseDifferences(differences)).length).toBeLessThan(10_000);
    const { why } = showRefusal({ id, why: `E11000 dup key: { a: "${long}" }` });
    expect(why.length).toBeLessThan(300);
  });

  it('is short of keys that keep an index from becoming unique, and says what to do', () => {
    const { message } = duplicatesError('shop.orders', 'email_1', `{"email":"${long}"}`);
    expect(message.length).toBeLessThan(1_500);
    expect(message).toContain('Remove them from the target');
  });

  it('is short of what a server says', () => {
    const failure = toFailure(new Error(`E11000 dup key: { a: "${long}" }`), { activity: 'a' });
    expect(failure.message.length).toBeLessThan(2_100);
    expect(failure.stack?.length).toBeLessThan(20_000);
    const problem = shorten(long);
    expect(shapeBlocker([{ what: 'index "a"', problem }]).message.length).toBeLessThan(500);
  });

  it('is short of options and indexes, and tells those apart that differ in their ends', () => {
    const shape = (end: string) => ({
      name: 'c',
      type: 'collection' as const,
      uuid: undefined,
      options: fields(BSON.serialize({ validator: { a: `${long}${end}` } })),
      indexes: [fields(BSON.serialize({ name: 'a', key: { [`${long}${end}`]: 1 } }))],
    });
    const found = compareCatalogues(shape('1'), shape('2'));
    expect(found.map(({ what }) => what)).toEqual(['option validator', 'index "a"']);
    expect(JSON.stringify(found).length).toBeLessThan(5_000);
  });
});
