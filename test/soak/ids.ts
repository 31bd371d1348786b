import type { RawValue } from '../../src/mongo/raw.js';
import {
  array,
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
  int,
  long,
  none,
  object,
  objectId,
  oldBinary,
  symbol,
  text,
  timestamp,
} from './bytes.js';
import type { Dice } from './dice.js';

/** What an `_id` is made from: number `n` is no other `_id`'s, of whatever type. */
type Maker = (n: number) => RawValue;

const hex = (n: number, digits: number) => n.toString(16).padStart(digits, '0');
const hexBytes = (n: number) => Buffer.from(hex(n, 32), 'hex');

/** Types of a number whose values are equal, for one `_id` after another. */
const numbers: readonly Maker[] = [
  int,
  long,
  double,
  (n) => decimal(String(n)),
  (n) => decimal(`${n}.0`),
];

const fractions: readonly Maker[] = [
  (n) => double(n + 0.5),
  (n) => decimal(`${n}.50`),
  (n) => decimal(`${n}.5`),
];

/** Too large for a double: a long and a decimal know it exactly. */
const longs: readonly Maker[] = [
  (n) => long(2n ** 53n + BigInt(n) * 2n + 1n),
  (n) => decimal(String(2n ** 53n + BigInt(n) * 2n + 1n)),
];

/** Equal in value, and other bytes deep within. */
const nested: readonly Maker[] = [int, long, double].map((number): Maker => {
  return (n) => object(['at', array(number(n), object(['c', number(-n)]))], ['b', text('x')]);
});

/** Shaped as a reference to a document of another collection, which a name with `$` in an `_id` may be alone. */
const references: readonly Maker[] = [int, long, double].map((number): Maker => {
  return (n) => object(['$ref', text('customers')], ['$id', number(n)], ['$db', text('shop')]);
});

const texts: readonly Maker[] = [(n) => text(`id-${n}`), (n) => symbol(`id-${n}`)];

/** One text where upper and lower case do not count. */
const spellings: readonly Maker[] = [
  (n) => text(`straße-é-${n}`),
  (n) => text(`Straße-É-${n}`),
  (n) => text(`STRAßE-é-${n}`),
  (n) => text(`straße-e\u0301-${n}`),
];

const others: readonly Maker[] = [
  (n) => decimal(`${n}E+200`),
  (n) => text(`é\0漢-${n}`),
  (n) => text(Buffer.concat([Buffer.from('ff80', 'hex'), Buffer.from(String(n))])),
  (n) => text(`${'k'.repeat(3_000)}${n}`),
  (n) => objectId(hex(n, 24)),
  (n) => dbPointer('shop.customers', hex(n, 24)),
  ...[0, 1, 3, 4, 5, 0x80].map((subtype): Maker => {
    return (n) => binary(subtype, hexBytes(n));
  }),
  (n) => oldBinary(hexBytes(n)),
  (n) => date(1_700_000_000_000 + n),
  (n) => date(2n ** 62n + BigInt(n)),
  (n) => timestamp(n, n % 7),
  (n) => code(`return ${n}`),
  (n) => codeWithScope('return a', ['a', int(n)]),
  (n) => object(['2', int(n)], ['b', text('x')], ['1', int(2)]),
  (n) => object(['a.b', int(n)], ['', none.undefined]),
  (n) => object(['region', text('eu')], ['number', int(n)]),
  (n) => object(['number', int(n)], ['region', text('eu')]),
  (n) => object(['deep', array(int(n), object(['c', none.null]), array())]),
  (n) => object(['twice', int(n)], ['twice', int(1)]),
];

/** `_id`s of which there is one of a value, each with all others that are equal to it. */
export const singularIds: readonly (readonly RawValue[])[] = [
  [none.null],
  [none.minKey],
  [none.maxKey],
  [bool(false)],
  [bool(true)],
  [text(''), symbol('')],
  [object()],
  [binary(0, Buffer.alloc(0))],
  [object(['', object()])],
  [double(-0), double(0), int(0), long(0), decimal('-0'), decimal('0E+3')],
  [
    doubleOfBits('7ff8000000000abc'),
    doubleOfBits('fff8000000000000'),
    doubleOfBits('7ff0000000000001'),
    decimal('NaN'),
    decimalOfBits('fc000000000000000000000000000001'),
  ],
  [double(Infinity), decimal('Infinity')],
  [double(-Infinity), decimal('-Infinity')],
  [timestamp(0, 0)],
  [date(-(2n ** 63n))],
  [objectId('0'.repeat(24))],
  [decimal('1E-6176')],
];

/** An `_id`, and the makers of others that are equal to it in value. */
export interface Id {
  readonly value: RawValue;
  readonly n: number;
  readonly equals: readonly Maker[];
}

/** Makes an `_id` of number `n`. */
export type IdSeries = (n: number, dice: Dice) => Id;

/**
 * Series of `_id`s: of all types, the same with references among them, of ordinary ones, and of such that a
 * collation makes equal.
 */
export const idSeries: Readonly<Record<'mixed' | 'referring' | 'plain' | 'collated', IdSeries>> = {
  mixed: (n, dice) => {
    const kind = dice.weighted({
      numbers: 8,
      fractions: 1,
      longs: 1,
      nested: 1,
      texts: 3,
      others: 8,
    });
    if (kind === 'others') return one(n, [dice.pick(others)], dice);
    return one(n, { numbers, fractions, longs, nested, texts }[kind], dice);
  },
  referring: (n, dice) => (dice.chance(0.05) ? one(n, references, dice) : idSeries.mixed(n, dice)),
  plain: (n, dice) => one(n, [dice.pick([int, (of: number) => objectId(hex(of, 24))])], dice),
  collated: (n, dice) => one(n, dice.chance(0.8) ? spellings : numbers, dice),
};

/** An `_id` that is in the collection before anything else: one of those that are equal. */
export function singularId(values: readonly RawValue[], n: number, dice: Dice): Id {
  return { value: dice.pick(values), n, equals: values.map((value) => () => value) };
}

/** An `_id` of the same value and other bytes, or nothing where there is none. */
export function equalId(id: Id, dice: Dice): Id | undefined {
  const values = id.equals.map((make) => make(id.n)).filter(({ key }) => key !== id.value.key);
  return values.length > 0 ? { ...id, value: dice.pick(values) } : undefined;
}

function one(n: number, makers: readonly Maker[], dice: Dice): Id {
  return { value: dice.pick(makers)(n), n, equals: makers };
}
