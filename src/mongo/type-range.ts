import { BSON, type Document } from 'mongodb';

/**
 * Types of `_id`s in the order in which servers sort them; those of one line are compared with each other. An `_id`
 * is no array, and a server that is asked for arrays goes through its whole index.
 */
const typeOrder: readonly (readonly string[])[] = [
  ['minKey'],
  ['undefined'],
  ['null'],
  ['double', 'int', 'long', 'decimal'],
  ['string', 'symbol'],
  ['object'],
  ['binData'],
  ['objectId'],
  ['bool'],
  ['date'],
  ['timestamp'],
  ['regex'],
  ['dbPointer'],
  ['javascript'],
  ['javascriptWithScope'],
  ['maxKey'],
];
const NUMBERS = 3;

/**
 * A condition that every `_id` from `min` to `max` meets, in plain comparisons, each of which finds values of
 * one type only. Servers before 5.0 find these by the index of `_id`, but not a range in `$expr`. Neither
 * bound may be NaN. `max` itself meets it too: the filter that it is part of says what exactly is meant.
 */
export function typeRange(min: unknown, max: unknown): Document {
  const first = min === undefined ? -1 : placeOf(min);
  const last = max === undefined ? typeOrder.length : placeOf(max);
  if (first === last) return { _id: { $gte: min, $lte: max } };
  const between = typeOrder.slice(first + 1, last).flat();
  return {
    $or: [
      ...(min === undefined ? [] : [{ _id: { $gte: min } }]),
      ...(max === undefined ? [] : [{ _id: { $lte: max } }]),
      // Sorted below all numbers, and not less than any of them.
      ...(last === NUMBERS ? [{ _id: Number.NaN }] : []),
      ...(between.length > 0 ? [{ _id: { $type: between } }] : []),
    ],
  };
}

function placeOf(value: unknown): number {
  const code = BSON.serialize({ v: value })[4];
  const name = Object.entries(BSON.BSONType).find(([, each]) => each === code)?.[0] ?? '';
  const place = typeOrder.findIndex((types) => types.includes(name));
  if (place < 0) throw new Error(`BSON type ${code} has no place in the order of types`);
  return place;
}
