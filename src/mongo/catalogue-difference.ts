import { BSONType } from 'mongodb';
import { type Catalogue, decode, type IndexSpec, indexName } from './catalogue.js';
import { expirySeconds } from './expiry.js';
import { fields, type RawValue } from './raw.js';

/** One thing in which two collections differ; the sides as text for people. */
export interface Difference {
  /** `index "total_1"`, `option "validator"`. */
  readonly what: string;
  readonly source: string;
  readonly target: string;
}

const ABSENT = 'none';
/** Of these fields the order of the inner fields has no meaning. */
const unorderedFields = new Set(['collation', 'weights', 'clusteredIndex', 'storageEngine']);
/**
 * Fields that say how a server stores the thing, not what it does. `prepareUnique` is not among
 * them: an index that still has it is not final.
 */
const storageFields = new Set(['v', 'ns', 'background', 'uuid', 'version', 'temp', 'autoIndexId']);
/** What a server takes for an option that is not there; collMod writes some of it out. */
const defaults: Readonly<Record<string, string>> = {
  validator: '{  }',
  validationLevel: '"strict"',
  validationAction: '"error"',
  changeStreamPreAndPostImages: '{ enabled: false }',
};
/** Fields that are true or not there; old servers stored them as numbers too. */
const flags = new Set(['unique', 'sparse', 'hidden', 'prepareUnique', 'capped', 'clustered']);

/**
 * Compares options and indexes in their meaning: 1, 1.0 and 1L are one value, a missing flag is
 * false, the order of the list of indexes and how a server stores them do not matter.
 * @returns what differs; empty when the collections are alike.
 */
export function compareCatalogues(source: Catalogue, target: Catalogue): Difference[] {
  return [
    ...compareSides('option', meaningOf(source.options), meaningOf(target.options)),
    ...compareSides('index', indexesOf(source), indexesOf(target)),
  ];
}

/** Names of the options in which two collections differ. */
export function differentOptions(
  one: ReadonlyMap<string, RawValue>,
  other: ReadonlyMap<string, RawValue>,
): string[] {
  const [left, right] = [meaningOf(one), meaningOf(other)];
  const names = new Set([...left.keys(), ...right.keys()]);
  return [...names].filter((name) => left.get(name) !== right.get(name));
}

/** Whether two indexes are equal in meaning. */
export function sameIndex(one: IndexSpec, other: IndexSpec): boolean {
  return indexMeaning(one) === indexMeaning(other);
}

/** Text that is equal for values of equal meaning, and readable in a message. */
export function meaning(value: RawValue, ordered = true): string {
  switch (value.type) {
    case BSONType.int:
    case BSONType.long:
    case BSONType.double:
      return String(decode(value));
    case BSONType.string:
      return JSON.stringify(decode(value));
    case BSONType.bool:
      return value.bytes[0] === 1 ? 'true' : 'false';
    case BSONType.object:
    case BSONType.array: {
      const inner = [...fields(value.bytes)].map(
        ([name, field]) => [name, meaning(field, ordered)] as const,
      );
      if (!ordered) inner.sort(([one], [other]) => (one < other ? -1 : 1));
      const kept = ordered ? inner : inner.filter(([name]) => !storageFields.has(name));
      return `{ ${kept.map(([name, text]) => `${name}: ${text}`).join(', ')} }`;
    }
    default:
      return `${value.type}:${Buffer.from(value.bytes).toString('hex')}`;
  }
}

function meaningOf(values: ReadonlyMap<string, RawValue>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of values) {
    if (storageFields.has(name)) continue;
    const seconds = name === 'expireAfterSeconds' ? expirySeconds(value) : undefined;
    const text = seconds?.toString() ?? meaning(value, !unorderedFields.has(name));
    if (text === defaults[name]) continue;
    if (flags.has(name) && (text === 'false' || text === '0')) continue;
    found.set(name, flags.has(name) ? 'true' : text);
  }
  return found;
}

/** Text that is equal for indexes of equal meaning. */
export function indexMeaning(spec: IndexSpec): string {
  const parts = [...meaningOf(spec)].map(([name, text]) => `${name}: ${text}`);
  return `{ ${parts.toSorted().join(', ')} }`;
}

function indexesOf(catalogue: Catalogue): Map<string, string> {
  return new Map(catalogue.indexes.map((spec) => [`"${indexName(spec)}"`, indexMeaning(spec)]));
}

function compareSides(
  what: string,
  source: ReadonlyMap<string, string>,
  target: ReadonlyMap<string, string>,
): Difference[] {
  const names = [...new Set([...source.keys(), ...target.keys()])];
  return names
    .filter((name) => source.get(name) !== target.get(name))
    .map((name) => ({
      what: `${what} ${name}`,
      source: source.get(name) ?? ABSENT,
      target: target.get(name) ?? ABSENT,
    }));
}
