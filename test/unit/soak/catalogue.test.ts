import { BSON, type Document, Double, Int32, Long } from 'mongodb';
import { expect, it } from 'vitest';
import { compareShapes, type Shape } from '../../soak/catalogue.js';

const index = {
  v: new Int32(2),
  key: new Map([
    ['a', new Int32(1)],
    ['b', new Int32(-1)],
  ]),
  name: 'a_1_b_-1',
  unique: true,
  expireAfterSeconds: new Int32(60),
  partialFilterExpression: { a: { $gt: new Int32(5) } },
};
const options = {
  collation: { locale: 'de', strength: new Int32(1) },
  validator: { a: { $exists: true } },
};

/** As the driver hands it over. */
function shapeOf(indexes: readonly Document[], changed: Document = options): Shape {
  const decoded = BSON.deserialize(BSON.serialize({ indexes, options: changed }), {
    promoteValues: false,
  });
  return { indexes: decoded['indexes'] as Document[], options: decoded['options'] as Document };
}

const shape = shapeOf([index]);
const keys = (...entries: [string, unknown][]) => new Map(entries);

it('finds nothing in what is alike: how a server stores it, and what collMod writes out', () => {
  const { name, ...rest } = index;
  const written = { ...options, validationLevel: 'strict', validationAction: 'error' };
  const stored = { name, ...rest, v: new Int32(1), ns: 'shop.a', expireAfterSeconds: new Long(60) };
  expect(compareShapes(shape, shapeOf([stored], written))).toEqual([]);
});

it.each([
  ['unique', { unique: false }],
  ['seconds', { expireAfterSeconds: new Int32(61) }],
  ['an option more', { hidden: true }],
  ['the order of keys', { key: keys(['b', new Int32(-1)], ['a', new Int32(1)]) }],
  ['a direction', { key: keys(['a', new Int32(1)], ['b', new Int32(1)]) }],
  ['the type of a direction', { key: keys(['a', new Double(1)], ['b', new Int32(-1)]) }],
  ['a value in a filter', { partialFilterExpression: { a: { $gt: new Int32(6) } } }],
  ['a type in a filter', { partialFilterExpression: { a: { $gt: new Double(5) } } }],
  ['a lasting preparation', { prepareUnique: true }],
])('finds an index that differs in %s', (_what, changed) => {
  const found = compareShapes(shape, shapeOf([{ ...index, ...changed }]));
  expect(found.map(({ what }) => what)).toEqual(['index "a_1_b_-1"']);
});

it.each([
  ['missing', [], 'none'],
  ['of another name', [{ ...index, name: 'x' }], 'none'],
])('finds an index that is %s', (_what, indexes, target) => {
  expect(compareShapes(shape, shapeOf(indexes))).toContainEqual(
    expect.objectContaining({ what: 'index "a_1_b_-1"', target }),
  );
});

it.each([
  ['collation', { ...options, collation: { locale: 'de', strength: new Int32(2) } }],
  ['validator', { ...options, validator: { a: { $exists: false } } }],
  ['validationLevel', { ...options, validationLevel: 'moderate' }],
  ['validationAction', { ...options, validationAction: 'warn' }],
  ['capped', { ...options, capped: true }],
  ['changeStreamPreAndPostImages', { ...options, changeStreamPreAndPostImages: { enabled: true } }],
])('finds a collection that differs in %s', (name, changed) => {
  const found = compareShapes(shape, shapeOf([index], changed));
  expect(found.map(({ what }) => what)).toEqual([`option ${name}`]);
  expect(compareShapes(shapeOf([index], changed), shape)).toHaveLength(1);
});
