import type { RawValue } from '../../src/mongo/raw.js';
import {
  array,
  binary,
  bool,
  date,
  documentOf,
  double,
  type Field,
  int,
  none,
  object,
  text,
} from './bytes.js';
import type { Dice } from './dice.js';
import { fragileFields, oddFields, oddValue, scalars } from './values.js';

/** A server takes documents up to this size. */
export const MOST_BYTES = 16 * 1024 * 1024;
/** Far from expiring, whenever a soak runs. */
const IN_2100 = 4_102_444_800_000;
const words = ['amber', 'birch', 'cobalt', 'dune', 'ember', 'fjord', 'glade', 'heron'];

/** Fields of a document that an application may have written; `number` is no other document's. */
export function ordinaryFields(number: number, dice: Dice): Field[] {
  const fields: Field[] = [
    ...(dice.chance(0.9) ? [email(number)] : []),
    ['at', date(IN_2100 + number)],
    ['counter', int(dice.below(100))],
    ['group', int(dice.below(50))],
    ['tags', array(...words.slice(0, dice.below(4)).map((word) => text(word)))],
    ['items', items(dice)],
    ['a', object(['b', int(number)], ['c', text(dice.pick(words))])],
    ['text', text(dice.pick(words).repeat(dice.between(1, 40)))],
  ];
  if (dice.chance(0.3)) fields.push(['active', bool(dice.chance(0.5))], ['rank', int(number)]);
  if (dice.chance(0.2)) fields.push(['note', text(dice.some(words, 3).join(' '))]);
  if (dice.chance(0.2)) fields.push(['place', place(dice)]);
  if (dice.chance(0.2)) fields.push(['score', double(dice.below(1000) / 8)]);
  if (dice.chance(0.3)) fields.push(['a.b', text('beside a')]);
  if (dice.chance(0.3)) fields.push(['shard', dice.pick(scalars)]);
  if (dice.chance(0.3)) fields.push(['sub', object(...oddFields(dice, 3))]);
  if (dice.chance(0.3)) fields.push(['odd', oddValue(dice)]);
  return fields;
}

/** The field of which no two documents have the same. */
export function email(number: number): Field {
  return ['email', text(`person-${number}@example.org`)];
}

/** Fields that no application would write on purpose. */
export function oddTopFields(dice: Dice): Field[] {
  const fields = oddFields(dice, 8);
  if (dice.chance(0.3)) fields.push(['fields', object(...oddFields(dice, 3))]);
  return fields;
}

/**
 * Whether the document with this number gets no updates by pipelines: it may have names that occur twice, over
 * which a 6.0.5 server aborts then, and arrays with other names than 0, 1, 2, after which its change streams fail
 * for good ("Expected diff to be non-empty").
 */
export function isFragile(number: number): boolean {
  return number % 11 === 0;
}

/** A document to insert; `odd` is the chance that it is an odd one. */
export function newDocument(
  id: RawValue,
  number: number,
  dice: Dice,
  { odd, dollarNames }: { readonly odd: number; readonly dollarNames: boolean },
): Buffer {
  const all = dice.chance(odd) ? oddTopFields(dice) : ordinaryFields(number, dice);
  const fields = dollarNames ? all : all.filter(([name]) => !String(name).startsWith('$'));
  if (isFragile(number)) fields.push(...fragileFields(dice));
  // Servers move it to the front.
  const at = dice.chance(0.05) ? fields.length : 0;
  return documentOf(fields.toSpliced(at, 0, ['_id', id]));
}

/** A document of exactly this many bytes. */
export function largeDocument(id: RawValue, bytes: number): Buffer {
  const empty = documentOf([
    ['_id', id],
    ['body', binary(0, Buffer.alloc(0))],
  ]);
  return documentOf([
    ['_id', id],
    ['body', binary(0, Buffer.alloc(bytes - empty.length, 'large '))],
  ]);
}

/** A document that everybody changes. */
export function hotDocument(id: RawValue): Buffer {
  return documentOf([
    ['_id', id],
    ['counter', int(0)],
    ['log', array()],
    ['items', array(object(['sku', text('hot')], ['n', int(0)]))],
  ]);
}

/** A document that may hold one of a few unique values. */
export function seatDocument(id: RawValue, seat: RawValue): Buffer {
  return documentOf([
    ['_id', id],
    ['seat', seat],
    ['active', bool(true)],
    ['rest', none.undefined],
  ]);
}

function items(dice: Dice): RawValue {
  const list = dice.some(words, dice.between(1, 4));
  return array(...list.map((sku) => object(['sku', text(sku)], ['n', int(dice.below(10))])));
}

function place(dice: Dice): RawValue {
  const coordinates = array(double(dice.below(360) - 180), double(dice.below(180) - 90));
  return object(['type', text('Point')], ['coordinates', coordinates]);
}
