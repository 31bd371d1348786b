import type { Document } from 'mongodb';
import {
  array,
  binary,
  date,
  decimal,
  double,
  int,
  long,
  object,
  text,
  timestamp,
} from './bytes.js';
import type { Dice } from './dice.js';
import { oddValue } from './values.js';

/** One way to change a document, as a statement of the command `update` takes it. */
export interface Update {
  /** Further conditions beside the `_id`. */
  readonly where?: Document;
  readonly u: Document | readonly Document[];
  readonly arrayFilters?: readonly Document[];
}

const skus = ['amber', 'birch', 'cobalt', 'dune', 'ember', 'fjord', 'glade', 'heron'];
const safeNames = ['10', '2', '0', '__proto__', 'é', 'constructor', 'b'];

/** All forms of updates: operators, paths, positions, pipelines. */
export const updates: Readonly<Record<string, (dice: Dice) => Update>> = {
  inc: () => ({ u: { $inc: { counter: int(1) } } }),
  set: (dice) => ({
    u: { $set: { text: text(dice.pick(skus)), 'a.b': int(dice.below(1e6)), 'a.new': long(1) } },
  }),
  setOdd: (dice) => ({ u: { $set: { odd: oddValue(dice) } } }),
  setPath: (dice) => ({ u: { $set: { [`sub.${dice.pick(safeNames)}`]: oddValue(dice) } } }),
  setType: (dice) => ({
    u: { $set: { counter: dice.pick([int(7), long(7), double(7), decimal('7.0')]) } },
  }),
  setShard: (dice) => ({ u: { $set: { shard: dice.pick([int(1), double(1), text('1')]) } } }),
  setNote: (dice) => ({ u: { $set: { note: text(dice.some(skus, 4).join(' ')) } } }),
  operators: (dice) => ({
    u: dice.pick([
      { $mul: { counter: double(1.5) }, $unset: { score: '' } },
      { $min: { rank: int(dice.below(1000)) }, $max: { at: date(4_200_000_000_000) } },
      { $rename: { text: 'renamed' }, $currentDate: { touched: { $type: 'timestamp' } } },
      { $rename: { renamed: 'text' }, $setOnInsert: { never: int(1) } },
      { $bit: { group: { xor: int(dice.below(64)) } } },
      { $addToSet: { tags: { $each: [text(dice.pick(skus)), oddValue(dice)] } } },
      { $pop: { tags: dice.pick([1, -1]) } },
    ]),
  }),
  arrayFilter: (dice) => ({
    u: { $inc: { 'items.$[item].n': int(1) }, $set: { 'items.$[other].seen': oddValue(dice) } },
    arrayFilters: [{ 'item.n': { $gte: 3 } }, { 'other.sku': dice.pick(skus) }],
  }),
  positional: (dice) => ({
    where: { items: { $elemMatch: { sku: dice.pick(skus) } } },
    u: { $set: { 'items.$.n': int(dice.below(10)), 'items.$.odd': oddValue(dice) } },
  }),
  allPositional: (dice) => ({ u: { $set: { 'items.$[].seen': int(dice.below(5)) } } }),
  arrayIndex: (dice) => ({ u: { $set: { [`items.${dice.below(6)}`]: text('by index') } } }),
  pushSlice: (dice) => ({
    u: { $push: { log: { $each: [oddValue(dice), int(1)], $slice: dice.pick([-5, 4, 0]) } } },
  }),
  pushSort: (dice) => ({
    u: {
      $push: {
        items: {
          $each: [object(['sku', text(dice.pick(skus))], ['n', int(dice.below(10))])],
          $sort: { n: -1 },
          $slice: 6,
        },
      },
    },
  }),
  pushAt: (dice) => ({
    u: { $push: { tags: { $each: [text(dice.pick(skus))], $position: 0, $slice: 8 } } },
  }),
  pull: () => ({ u: { $pull: { items: { n: { $lt: 2 } } } } }),
  truncate: () => ({ u: [{ $set: { log: { $slice: ['$log', 2] } } }] }),
  pipeline: (dice) => ({
    u: [
      { $set: { counter: { $add: [{ $ifNull: ['$group', 0] }, 1] }, copy: '$a' } },
      { $unset: dice.pick(['text', 'copy', 'a.c']) },
    ],
  }),
  dotted: (dice) => ({
    u: [setField(dice.pick(['a.b', 'items.0.n', '']), { $literal: int(dice.below(1000)) })],
  }),
  dollar: (dice) => ({
    u: [setField(dice.pick(['$price', '$set', '$']), { $literal: oddValue(dice) })],
  }),
  reorder: () => ({
    u: [
      {
        $replaceWith: {
          $arrayToObject: { $reverseArray: { $objectToArray: '$$ROOT' } },
        },
      },
    ],
  }),
  // An insert or a replacement would turn it into the current time.
  emptyTimestamp: () => ({ u: [{ $set: { stamp: { $literal: timestamp(0, 0) } } }] }),
  flip: () => ({ u: [{ $set: { active: { $not: ['$active'] } } }] }),
  grow: (dice) => ({ u: { $set: { body: binary(0, Buffer.alloc(dice.between(1, 60) * 1000)) } } }),
  growList: () => ({
    u: { $push: { chunks: { $each: [text('chunk '.repeat(1000))], $slice: -20 } } },
  }),
  shrink: () => ({ u: { $unset: { body: '', chunks: '' } } }),
  literal: (dice) => ({
    u: [
      {
        $replaceWith: {
          $mergeObjects: [
            { $literal: documentValue(dice) },
            { _id: '$_id', email: '$email', seat: '$seat', active: '$active' },
          ],
        },
      },
    ],
  }),
};

/** The forms that make names at the top that begin with `$`. */
export const dollarForms: readonly string[] = ['dollar', 'literal'];

function setField(field: string, value: Document): Document {
  return { $replaceWith: { $setField: { field: { $literal: field }, input: '$$ROOT', value } } };
}

function documentValue(dice: Dice) {
  return object(
    ['odd', oddValue(dice)],
    ['list', array(oddValue(dice), oddValue(dice))],
    ['$x', int(1)],
  );
}
