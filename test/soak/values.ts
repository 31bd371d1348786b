import type { RawValue } from '../../src/mongo/raw.js';
import {
  array,
  arrayNamed,
  binary,
  bool,
  code,
  codeWithScope,
  date,
  dbPointer,
  decimal,
  decimalOfBits,
  double,
  doubleOfBits,
  type Field,
  int,
  long,
  none,
  object,
  objectId,
  oldBinary,
  regex,
  symbol,
  text,
  timestamp,
} from './bytes.js';
import type { Dice } from './dice.js';

const OID = '0123456789abcdef01234567';
const MOST_LEVELS = 100;
const content = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
/** A lone continuation byte, an overlong slash, a surrogate half, and a beginning without an end. */
const noUtf8 = ['80', 'c0af', 'eda080', '61f09f'].map((hex) => Buffer.from(hex, 'hex'));

/** Names that get lost, sorted or taken for something else on the way through other libraries. */
export const oddNames: readonly (string | Uint8Array)[] = [
  '10',
  '2',
  '0',
  '-1',
  '007',
  '4294967295',
  'b',
  'a',
  '',
  'a.b',
  '.',
  'x.',
  '.x',
  'a.$[].b',
  '$x',
  '$',
  '$ref',
  '$id',
  '$oid',
  '$numberLong',
  '$date',
  '__proto__',
  'constructor',
  'toString',
  'length',
  '_bsontype',
  'toBSON',
  'é',
  'e\u0301',
  '漢',
  '🙂',
  ' ',
  'k'.repeat(300),
  Buffer.from('ff', 'hex'),
];

/** Values of no further parts, a kind each; of all BSON types and of odd encodings. */
export const scalars: readonly RawValue[] = [
  ...[0, -1, 1, 2 ** 31 - 1, -(2 ** 31)].map(int),
  ...[0n, 1n, 9007199254740993n, 2n ** 63n - 1n, -(2n ** 63n)].map(long),
  ...[0, -0, 1, 5, 1.5, 1e308, Number.MIN_VALUE, Infinity, -Infinity].map(double),
  // NaNs: usual, negative, with a payload, signalling
  ...['7ff8000000000000', 'fff8000000000000', '7ff8000000abcdef', '7ff0000000000001'].map(
    doubleOfBits,
  ),
  ...['0', '-0', '0E+3', '1', '1.0', '1.00', '1E+3', '1000', '-1E-6176', '9.99E+6144'].map(decimal),
  ...['NaN', 'Infinity', '-Infinity'].map(decimal),
  // NaN with a payload, signalling NaN, negative NaN, and a coefficient that is too large and counts as 0
  ...['7c000000000000000000000000000abc', '7e000000000000000000000000000000'].map(decimalOfBits),
  ...['fc000000000000000000000000000000', '6c10000000000000000000000000abcd'].map(decimalOfBits),
  ...[0n, -1n, 8640000000000001n, -8640000000000001n, 2n ** 63n - 1n, -(2n ** 63n)].map(date),
  timestamp(1, 0),
  timestamp(0, 1),
  timestamp(0xffffffff, 0xffffffff),
  ...['', 'plain', 'a\0b\0', 'é e\u0301 漢 🙂', '\ufeff', ...noUtf8].map(text),
  ...['', 'old'].map(symbol),
  code('return 1'),
  code(''),
  code('a\0b'),
  codeWithScope('return a', ['a', int(1)]),
  codeWithScope(''),
  codeWithScope('f', ['2', int(1)], ['1', object(['$x', none.undefined])]),
  objectId(OID),
  objectId('0'.repeat(24)),
  dbPointer('shop.customers', OID),
  ...[0, 1, 3, 4, 5, 6, 0x80, 0xff].map((subtype) => binary(subtype, content)),
  binary(0, Buffer.alloc(0)),
  binary(4, content.subarray(3)),
  oldBinary(content),
  oldBinary(Buffer.alloc(0)),
  binary(2, content),
  regex('^a/b.*$', 'imsx'),
  regex('', ''),
  regex('é', 'xi'),
  regex('a', 'zz'),
  bool(true),
  bool(false),
  none.null,
  none.undefined,
  none.minKey,
  none.maxKey,
];

/** Values with parts. */
const compounds: readonly ((dice: Dice) => RawValue)[] = [
  () => object(),
  () => array(),
  (dice) => array(...several(dice, 5, () => oddValue(dice))),
  (dice) => object(...oddFields(dice, 6)),
  (dice) => nested(dice.between(2, MOST_LEVELS)),
  () => nested(MOST_LEVELS),
  (dice) => text('long\0'.repeat(dice.between(10, 800))),
  // What a DBRef looks like
  () => object(['$ref', text('customers')], ['$id', objectId(OID)], ['$db', text('shop')]),
  () => object(['$oid', text('no object id')]),
];

/** A value of any kind. */
export function oddValue(dice: Dice): RawValue {
  return dice.chance(0.8) ? dice.pick(scalars) : dice.pick(compounds)(dice);
}

/** Some fields with odd names and values, in a fixed order of names or the other way round. */
export function oddFields(dice: Dice, most: number): Field[] {
  const names = dice.some(oddNames, dice.between(1, most));
  if (dice.chance(0.5)) names.reverse();
  return names.map((name) => [name, oddValue(dice)]);
}

/** Fields of which two have one name, at the top and below, and arrays whose names are no 0, 1, 2. */
export function fragileFields(dice: Dice): Field[] {
  return [
    ['twice', oddValue(dice)],
    ['inner', object(['', oddValue(dice)], ['x', int(1)], ['', oddValue(dice)])],
    ['list', arrayNamed(['1', int(1)], ['0', oddValue(dice)], ['a', int(3)], ['a', int(4)])],
    ['twice', arrayNamed(['', oddValue(dice)])],
  ];
}

function several<T>(dice: Dice, most: number, make: () => T): T[] {
  return Array.from({ length: dice.between(1, most) }, make);
}

function nested(levels: number): RawValue {
  let value = object(['bottom', none.null]);
  // The document itself is one level, the bottom another.
  for (let level = 2; level < levels; level++) {
    value = level % 3 === 0 ? array(value) : object(['below', value]);
  }
  return value;
}
