import type { Document } from 'mongodb';
import { isAtLeast } from '../../src/mongo/final-plan.js';
import type { idSeries } from './ids.js';
import { Dice } from './dice.js';

/** A collection of a soak: what it is, and how much goes on in it. */
export interface Profile {
  readonly name: string;
  readonly kind: string;
  readonly documents: number;
  /** Part of all changes. */
  readonly share: number;
  /** Writers, each with documents of its own beside the hot ones. */
  readonly lanes: number;
  readonly options: Document;
  readonly indexes: readonly Document[];
  readonly ids: keyof typeof idSeries;
  /** Whether it has documents near 16 MB. */
  readonly large: boolean;
  /** Whether writes go past the validator. */
  readonly bypass: boolean;
  /** Whether names at the top may begin with `$`. */
  readonly dollarNames: boolean;
  /** Whether documents of a capped collection are deleted. */
  readonly cappedDeletes: boolean;
  /** Whether updates make an empty timestamp at the top, which a set's members do not agree on. */
  readonly emptyTimestamps: boolean;
}

/** Ten years: nothing expires while a soak runs. */
export const FAR_SECONDS = 315_360_000;
const SPECIALS = 4;

const plainIndexes: readonly Document[] = [
  { key: { email: 1 }, name: 'email_1', unique: true, sparse: true },
  {
    key: { seat: 1 },
    name: 'seat',
    unique: true,
    partialFilterExpression: { active: true, seat: { $exists: true } },
  },
  { key: { at: 1 }, name: 'at_1', expireAfterSeconds: FAR_SECONDS },
  { key: { counter: 1, group: -1 }, name: 'counter_1_group_-1' },
];

const manyIndexes: readonly Document[] = [
  ...plainIndexes,
  { key: { score: -1 }, name: 'score', sparse: true, hidden: true },
  { key: { rank: 1 }, name: 'rank', partialFilterExpression: { active: true } },
  { key: { 'items.sku': 1, group: 1 }, name: 'items' },
  { key: { tags: 1 }, name: 'tags', collation: { locale: 'de', strength: 1 } },
  { key: { note: 'text' }, name: 'note_text', weights: { note: 3 }, default_language: 'none' },
  { key: { 'sub.$**': 1 }, name: 'everything below sub' },
  { key: { shard: 'hashed' }, name: 'shard_hashed' },
  { key: { place: '2dsphere' }, name: 'place_2dsphere' },
  { key: { 'a.b': 1, _id: -1 }, name: 'é %/ "quoted"' },
];

type Special = Pick<Profile, 'options'> & Partial<Profile>;

/** Kinds of collections of which each seed has some. */
const specials: Readonly<Record<string, (dice: Dice) => Special>> = {
  collation: (dice) => ({
    options: {
      collation: { locale: 'de', strength: dice.between(1, 2), numericOrdering: dice.chance(0.5) },
    },
    ids: 'collated',
    // Under a collation others are equal too.
    indexes: [
      ...plainIndexes,
      { key: { group: 1 }, name: 'bytewise', collation: { locale: 'simple' } },
    ],
  }),
  validator: (dice) => ({
    options: {
      validator: dice.pick([
        { counter: { $gte: 50 }, odd: { $exists: false } },
        { $jsonSchema: { required: ['email', 'counter'], properties: { 2: { type: 'string' } } } },
      ]),
      validationLevel: dice.pick(['strict', 'moderate']),
      validationAction: 'error',
    },
    bypass: true,
  }),
  warning: () => ({
    options: { validator: { counter: { $type: 'string' } }, validationAction: 'warn' },
  }),
  capped: (dice) => ({
    options: dice.chance(0.5)
      ? { capped: true, size: 64 * 1024 * 1024 }
      : { capped: true, size: 64 * 1024 * 1024, max: 1_000_000 },
    indexes: [{ key: { counter: 1 }, name: 'counter' }],
    lanes: 1,
  }),
  aging: (dice) => ({
    options: dice.pick([
      { capped: true, size: 300 * 1024 },
      { capped: true, size: 64 * 1024 * 1024, max: 300 },
    ]),
    indexes: [{ key: { counter: 1 }, name: 'counter' }],
    lanes: 1,
  }),
  clustered: (dice) => ({
    options: { clusteredIndex: { key: { _id: 1 }, unique: true, name: dice.pick(['_id_', 'x']) } },
  }),
  images: () => ({ options: { changeStreamPreAndPostImages: { enabled: true } } }),
  plain: () => ({ options: {}, ids: 'plain', indexes: [] }),
};

const oddNames = [
  'two words.v2 %/é',
  '漢字 %20',
  '"quoted" \'name\' \\ *?<>|',
  'a.b.c..d',
  '%2F%2e%2e',
  '-dash',
  'tab\tand\nline',
  '__proto__',
];

/** What both sides of a soak can store. */
export interface Features {
  /** Clustered collections: 5.3. */
  readonly clustered: boolean;
  /** Pre- and post-images: 6.0. */
  readonly images: boolean;
  /** Two indexes on one key of which only one is unique: 5.0. */
  readonly twins: boolean;
  /** Documents in capped collections that grow: 6.0. */
  readonly growth: boolean;
  /** Deletes in capped collections: 5.0. */
  readonly cappedDeletes: boolean;
  /** Limits of capped collections that change: 6.0. */
  readonly resize: boolean;
  /** Capped collections: before 6.0 their documents keep their size, which an older target insists on. */
  readonly capped: boolean;
  /** Capped collections that age by single documents, not by some at a time: 5.0. */
  readonly aging: boolean;
  /** Names at the top that begin with `$`: 5.0. */
  readonly dollarNames: boolean;
}

/** What two servers can both store, by their versions. */
export function featuresOf(source: string, target: string): Features {
  const both = (major: number, minor: number) =>
    isAtLeast(source, major, minor) && isAtLeast(target, major, minor);
  return {
    clustered: both(5, 3),
    images: both(6, 0),
    twins: both(5, 0),
    growth: both(6, 0),
    cappedDeletes: both(5, 0),
    resize: both(6, 0),
    capped: isAtLeast(target, 6, 0) || !isAtLeast(source, 6, 0),
    aging: both(5, 0),
    dollarNames: both(5, 0),
  };
}

/** How collections are chosen, where it is not as usual. */
export interface ChoiceOptions {
  /** Of their names. */
  readonly prefix?: string;
  /** How many there are beside the large one. */
  readonly specials?: number | undefined;
  /** Whether updates make empty timestamps; they do when left out. */
  readonly emptyTimestamps?: boolean | undefined;
  /** Whether capped collections may age; they may not when left out. */
  readonly aging?: boolean | undefined;
}

/** The collections of a seed: a large one with many indexes, and smaller ones of several kinds. */
export function chooseCollections(
  seed: number,
  documents: number,
  { dollarNames, ...both }: Features,
  { prefix = '', specials: count = SPECIALS, emptyTimestamps = true, aging }: ChoiceOptions = {},
): Profile[] {
  const dice = new Dice('collections', seed);
  const names = dice.some(oddNames, SPECIALS);
  const features = { ...both, aging: both.aging && aging === true };
  const ids = dollarNames ? 'referring' : 'mixed';
  const kinds = Object.keys(specials).filter(
    (kind) => !(kind in features) || features[kind as keyof typeof features],
  );
  const small = dice.some(kinds, count).map((kind, index) => {
    const { options, ...rest } = specials[kind]?.(dice) ?? { options: {} };
    return {
      name: prefix + (dice.chance(0.6) ? `${kind} ${names[index]}` : kind),
      kind,
      documents: Math.ceil(documents / 20),
      share: 0.1,
      lanes: 2,
      ids,
      indexes: plainIndexes,
      large: false,
      bypass: false,
      dollarNames,
      cappedDeletes: both.cappedDeletes,
      emptyTimestamps,
      ...rest,
      options,
    } as const;
  });
  const main: Profile = {
    name: `${prefix}main`,
    kind: 'main',
    documents,
    share: 1 - small.length * 0.1,
    lanes: 4,
    options: {},
    indexes: manyIndexes,
    ids,
    large: true,
    bypass: false,
    dollarNames,
    cappedDeletes: false,
    emptyTimestamps,
  };
  return [main, ...small];
}
