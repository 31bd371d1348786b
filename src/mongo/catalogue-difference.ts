import { isUtf8 } from 'node:buffer';
import { BSONType } from 'mongodb';
import { type Catalogue, decode, indexFields, type IndexSpec, indexName } from './catalogue.js';
import { expirySeconds } from './expiry.js';
import { asBuffer, RawValue, walk } from './raw.js';
import { shorten } from '../shorten.js';

/** One thing in which two collections differ; the sides as text for people, or its beginning. */
export interface Difference {
  /** `index "total_1"`, `option "validator"`. */
  readonly what: string;
  readonly source: string;
  readonly target: string;
}

const ABSENT = 'none';
/** Characters that are shown of an index or option: a validator may be large, and a report is in the history. */
const SHOWN_CHARACTERS = 1_000;
/** Bytes of a string's length. */
const STRING_HEADER = 4;
/** Names that need no quotes: none of them looks like a quoted one. */
const PLAIN_NAME = /^[\w$.*]+$/;
/**
 * Of these fields the order of the inner fields has no meaning. In all others it may have one: a key's is the
 * index's own, and a filter or validator may compare with a whole document.
 */
const unorderedFields = new Set([
  'collation',
  'weights',
  'clusteredIndex',
  'storageEngine',
  'wildcardProjection',
  'columnstoreProjection',
]);
/**
 * Fields that say how a server stores the thing, not what it does. `prepareUnique` is not among
 * them: an index that still has it is not final.
 */
const storageFields = new Set(['v', 'ns', 'background', 'uuid', 'temp', 'autoIndexId']);
/** The same within a field. Anywhere else these are names that somebody has given: of a weight, say. */
const innerStorage: Readonly<Record<string, string>> = {
  collation: 'version',
  clusteredIndex: 'v',
};
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

/** Names of the options that a collection has otherwise than wanted, as far as its server can have them. */
export function differentOptions(
  wanted: ReadonlyMap<string, RawValue>,
  there: ReadonlyMap<string, RawValue>,
): string[] {
  const [left, right] = [meaningOf(wanted), meaningOf(there)];
  const names = new Set([...left.keys(), ...right.keys()]);
  return [...names].filter((name) => {
    const [one, other] = [left.get(name), right.get(name)];
    return one !== other && !(name === 'size' && isRoundedUp(Number(one), Number(other)));
  });
}

/** Servers before 7.0 make the size of a capped collection a multiple of so many bytes. */
const SIZE_UNIT = 256;

function isRoundedUp(wanted: number, there: number): boolean {
  return Math.ceil(wanted / SIZE_UNIT) * SIZE_UNIT === there;
}

/** Whether two indexes are equal in meaning. */
export function sameIndex(one: IndexSpec, other: IndexSpec): boolean {
  return indexMeaning(one) === indexMeaning(other);
}

/** How a value is put into words. */
interface Wording {
  /** Whether the order of fields counts. */
  readonly ordered?: boolean;
  /** Whether types of numbers count: an expression can ask for them, a query takes 1 and 1.0 for one. */
  readonly typed?: boolean;
  /** Field that is left out; not in what is within others. */
  readonly without?: string | undefined;
}

/** Text that is equal exactly for values of equal meaning, and readable in a message. */
export function meaning(value: RawValue, wording: Wording = {}): string {
  const { typed = false } = wording;
  switch (value.type) {
    case BSONType.int:
    case BSONType.long:
    case BSONType.double:
      return typed ? typedNumber(value) : String(decode(value));
    case BSONType.string:
      return quote(asBuffer(value.bytes).subarray(STRING_HEADER, -1));
    case BSONType.bool:
      return value.bytes[0] === 1 ? 'true' : 'false';
    case BSONType.object:
      return `{ ${innerMeanings(value, wording).join(', ')} }`;
    case BSONType.array:
      return `[${elements(value)
        .map(([, inner]) => meaning(inner, { ...wording, without: undefined }))
        .join(', ')}]`;
    default:
      return `${value.type}:${asBuffer(value.bytes).toString('hex')}`;
  }
}

function innerMeanings(value: RawValue, { ordered = true, typed, without }: Wording): string[] {
  const inner = elements(value)
    .filter(([name]) => name.toString() !== without)
    .map(([name, field]) => {
      const isTyped = typed === true || name.toString() === '$expr';
      const text = meaning(field, { ordered, typed: isTyped });
      return `${PLAIN_NAME.test(name.toString()) ? name.toString() : quote(name)}: ${text}`;
    });
  return ordered ? inner : inner.toSorted();
}

/** Elements in order, with the bytes of their names: a filter may have a name twice. */
function elements({ bytes }: RawValue): [Buffer, RawValue][] {
  const found: [Buffer, RawValue][] = [];
  const all = asBuffer(bytes);
  walk(all, 0, (type, nameStart, nameEnd, valueStart, valueEnd) => {
    const value = new RawValue(type, all.subarray(valueStart, valueEnd));
    found.push([all.subarray(nameStart, nameEnd), value]);
  });
  return found;
}

function quote(text: Buffer): string {
  return isUtf8(text) ? JSON.stringify(text.toString()) : `bytes:${text.toString('hex')}`;
}

function typedNumber(value: RawValue): string {
  const number = decode(value);
  return `${Object.is(number, -0) ? '-0' : String(number)} (type ${value.type})`;
}

function meaningOf(values: ReadonlyMap<string, RawValue>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of values) {
    if (storageFields.has(name)) continue;
    const seconds = name === 'expireAfterSeconds' ? expirySeconds(value) : undefined;
    const wording = { ordered: !unorderedFields.has(name), without: innerStorage[name] };
    const text = seconds?.toString() ?? meaning(value, wording);
    if (text === defaults[name]) continue;
    if (flags.has(name) && (text === 'false' || text === '0')) continue;
    found.set(name, flags.has(name) ? 'true' : text);
  }
  return found;
}

/** Since this version of indexes, which came with 3.4, servers take no field that they do not know. */
const STRICT_VERSION = 2;

/** An index without what servers of today make nothing of. In one of a strict version it is what only newer ones know. */
function withoutLegacy(spec: IndexSpec): IndexSpec {
  const isStrict = !(Number(decode(spec.get('v'))) < STRICT_VERSION);
  const isKnown = (name: string) => indexFields.has(name) || name === 'prepareUnique';
  return isStrict ? spec : new Map([...spec].filter(([name]) => isKnown(name)));
}

/** Text that is equal for indexes of equal meaning. */
export function indexMeaning(spec: IndexSpec): string {
  const parts = [...meaningOf(withoutLegacy(spec))].map(([name, text]) => `${name}: ${text}`);
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
      what: shorten(`${what} ${name}`),
      source: shorten(source.get(name) ?? ABSENT, SHOWN_CHARACTERS),
      target: shorten(target.get(name) ?? ABSENT, SHOWN_CHARACTERS),
    }));
}
