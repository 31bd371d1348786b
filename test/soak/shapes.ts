import type { Document } from 'mongodb';
import { FAR_SECONDS, type Profile } from './collections.js';
import type { Dice } from './dice.js';

/** A change of one collection's indexes or options. */
export interface ShapeChange {
  readonly kind: string;
  /** One after another; with one that the server refuses the others are left out. */
  readonly commands: readonly Document[];
}

/** Names of the indexes that come and go. */
const NAMES = ['made 1', 'made.2', 'é %/ "made"'];
const TTL = 'at_1';
const ORDINARY = 'counter_1_group_-1';

/** None of them refuses a document, or has a key that another index of a soak has. */
const keys: readonly Document[] = [
  { group: 1 },
  { text: -1 },
  { 'a.c': 1 },
  { rank: 1, _id: -1 },
  { 'items.n': 1 },
  { version: 1 },
  { 'a.$**': 1 },
  { text: 'text' },
];

/** With a collation an index refuses symbols, which odd documents have in other fields. */
const collatedKeys: readonly Document[] = [{ group: 1 }, { text: -1 }];

/** What makes an index another one, though its key is the same. */
const qualities: readonly ((dice: Dice) => Document)[] = [
  () => ({}),
  () => ({ sparse: true }),
  () => ({ hidden: true }),
  (dice) => ({ collation: { locale: 'de', strength: dice.between(1, 3) } }),
  (dice) => ({ collation: { locale: 'fr', backwards: dice.chance(0.5) } }),
  (dice) => ({ partialFilterExpression: { counter: { $gte: dice.below(100) } } }),
  (dice) => ({ partialFilterExpression: { active: true, version: dice.below(3) } }),
  (dice) => ({ partialFilterExpression: { a: { $eq: dice.pick([[1], { 0: 1 }, { b: 1 }]) } } }),
];

/** What only some keys can have: nobody expires by them, and with its `_id` each document is another. */
const special = {
  dated: (dice: Dice) => ({ expireAfterSeconds: FAR_SECONDS + dice.below(100) }),
  unique: () => ({ unique: true }),
  // No field of a document is to name a language.
  text: () => ({ default_language: 'none', language_override: 'no language' }),
};

const validators: readonly ((dice: Dice) => Document)[] = [
  () => ({}),
  (dice) => ({ counter: { $gte: dice.below(100) } }),
  (dice) => ({ version: dice.below(3), 'a.b': { $exists: true } }),
  (dice) => ({ a: dice.pick([[1], { 0: 1 }, { b: 1, c: 1 }, { c: 1, b: 1 }]) }),
  (dice) => ({ $expr: { $gt: ['$counter', dice.below(100)] } }),
  (dice) => ({ $jsonSchema: { required: dice.some(['email', 'counter', 'text'], 2) } }),
];

/** Names of the indexes of a collection that may be dropped, to begin with. */
export function droppable(profile: Profile): string[] {
  return profile.indexes.map(({ name }) => String(name)).filter((name) => name === ORDINARY);
}

/**
 * The next change of a collection's indexes and options.
 *
 * @param present names of the indexes that may be dropped
 */
export function nextShapeChange(
  profile: Profile,
  dice: Dice,
  present: ReadonlySet<string>,
): ShapeChange {
  const isCapped = profile.options['capped'] === true;
  const absent = NAMES.filter((each) => !present.has(each));
  const kind = dice.weighted({
    createIndex: absent.length > 0 ? 4 : 0,
    dropIndex: present.size > 0 ? 2 : 0,
    otherIndex: present.size > 0 ? 3 : 0,
    hide: present.size > 0 ? 3 : 0,
    expiry: profile.indexes.some((index) => index['name'] === TTL) ? 2 : 0,
    // One that refuses what writers write would leave little to compare.
    validator: isCapped ? 0 : 3,
    images: profile.kind === 'images' ? 2 : 0,
  });
  const collMod = (change: Document): Document => ({ collMod: profile.name, ...change });
  const name = dice.pick(kind === 'createIndex' ? absent : present.size > 0 ? [...present] : NAMES);
  const drop = { dropIndexes: profile.name, index: name };
  const create = () => ({ createIndexes: profile.name, indexes: [newIndex(name, dice)] });
  switch (kind) {
    case 'createIndex':
      return { kind, commands: [create()] };
    case 'dropIndex':
      return { kind, commands: [drop] };
    case 'otherIndex':
      return { kind, commands: [drop, create()] };
    case 'hide':
      return { kind, commands: [collMod({ index: { name, hidden: dice.chance(0.5) } })] };
    case 'expiry': {
      const expireAfterSeconds = FAR_SECONDS + dice.below(100);
      return { kind, commands: [collMod({ index: { name: TTL, expireAfterSeconds } })] };
    }
    case 'validator': {
      const validationAction = profile.bypass ? dice.pick(['error', 'warn']) : 'warn';
      const validationLevel = dice.pick(['strict', 'moderate']);
      const validator = dice.pick(validators)(dice);
      return { kind, commands: [collMod({ validator, validationLevel, validationAction })] };
    }
    case 'images': {
      const enabled = dice.chance(0.5);
      return { kind, commands: [collMod({ changeStreamPreAndPostImages: { enabled } })] };
    }
    default:
      return kind satisfies never;
  }
}

function newIndex(name: string, dice: Dice): Document {
  const quality = dice.pick(qualities)(dice);
  const key = dice.pick('collation' in quality ? collatedKeys : keys);
  return { key, name, ...qualityOf(key, quality, dice) };
}

function qualityOf(key: Document, quality: Document, dice: Dice): Document {
  if (key['text'] === 'text') return special.text();
  const names = Object.keys(key);
  // Every index on all that is below a field is sparse.
  if (names.some((name) => name.includes('$**')) && quality['sparse'] === true) return {};
  if (names.includes('_id') && dice.chance(0.5)) return { ...quality, ...special.unique() };
  const isDated = names.length === 1 && ['group', 'version'].includes(names[0] ?? '');
  return isDated && dice.chance(0.3) ? { ...quality, ...special.dated(dice) } : quality;
}
