import { BSON, BSONType, type Document } from 'mongodb';
import { type Catalogue, type IndexSpec, indexName } from './catalogue.js';
import { differentOptions, indexMeaning, sameIndex } from './catalogue-difference.js';
import { expirySeconds, NEVER } from './expiry.js';
import { loadForms } from './index-twins.js';
import { hasFlag, hasVersionOf, int, listedForm, secondaryIndexes } from './indexes.js';
import { RawValue } from './raw.js';

/** Options and indexes of one side. */
export type Shape = Pick<Catalogue, 'options' | 'indexes'>;

/** Options and indexes of the target. */
export interface TargetShape extends Shape {
  /** Names of the indexes that are still being built. */
  readonly building: ReadonlySet<string>;
}

/** What may be done to the target. */
export interface ShapeFeatures {
  /** Whether its user may run `collMod`; the role `readWrite` may not. */
  readonly collMod: boolean;
  /** Whether it knows `changeStreamPreAndPostImages` (6.0 and later), and not `recordPreImages`. */
  readonly preImages: boolean;
}

/** One thing that makes the target more like the source. */
export type ShapeStep = {
  /** What differs, for people: `index "total_1"`, `option "size"`. */
  readonly what: string;
  /** Equal for two steps exactly when they do the same. */
  readonly key: string;
} &
  /**
   * `unlike` is what the source has under this name, where only the server can tell whether it is
   * another index or the same in other words: versions write a filter or a projection in their ways.
   */
  (
    | { readonly kind: 'drop'; readonly index: string; readonly unlike?: IndexSpec }
    /** Scans the collection. One that the server is building already is waited for. */
    | { readonly kind: 'create'; readonly spec: IndexSpec }
    | { readonly kind: 'modify'; readonly change: Document }
    /** Nothing that this migration could do. */
    | { readonly kind: 'impossible'; readonly problem: string }
  );

const OFF = new RawValue(BSONType.object, BSON.serialize({ enabled: false }));

/**
 * Decides what gives the target the source's indexes and options, but for what is held back until
 * the cutover: uniqueness, expiry, validator. Drops come first: since 5.0 an index that is gone may
 * have been the same as a new one in all but its name.
 * @returns nothing when the target is as it should be.
 */
export function planShape(
  source: Shape,
  target: TargetShape,
  features: ShapeFeatures,
): ShapeStep[] {
  return [
    ...planIndexes(source, target, features),
    ...planOptions(source, target, features),
    ...findLost(source, features),
  ];
}

function planIndexes(source: Shape, target: TargetShape, { collMod }: ShapeFeatures): ShapeStep[] {
  const forms = new Map(loadForms(source).map((form) => [indexName(form), form]));
  const present = new Map(secondaryIndexes(target).map((spec) => [indexName(spec), spec]));
  const expiries = new Map(
    source.indexes.map((spec) => [indexName(spec), expirySeconds(spec.get('expireAfterSeconds'))]),
  );
  const first: ShapeStep[] = [];
  const then: ShapeStep[] = [];
  for (const [name, spec] of present) {
    const form = forms.get(name);
    const now = form && withoutExpiry(spec, expiries.get(name));
    if (now && sameIndex(listedForm(form), now)) {
      if (target.building.has(name)) then.push(create(form));
      else if (collMod && isExpiring(spec))
        then.push(modifyIndex(name, { expireAfterSeconds: NEVER }));
      else if (isExpiring(spec)) {
        first.push(drop(spec));
        then.push(create(form));
      }
      continue;
    }
    const isHiddenOnly = now && sameIndex(listedForm(visible(form)), visible(now));
    if (isHiddenOnly && collMod && !target.building.has(name)) {
      then.push(modifyIndex(name, { hidden: hasFlag(form, 'hidden') }));
      continue;
    }
    const isSpelling = now && !target.building.has(name) && haveSameFlags(form, now);
    first.push(isSpelling ? { ...drop(spec), unlike: form } : drop(spec));
    if (form) then.push(create(form));
  }
  for (const [name, form] of forms) if (!present.has(name)) then.push(create(form));
  return [...first, ...then];
}

/** What a cutover that was given up has brought into force after all: its statement came late. */
function isExpiring(spec: IndexSpec): boolean {
  const seconds = expirySeconds(spec.get('expireAfterSeconds'));
  return seconds !== undefined && seconds !== NEVER;
}

/** A cutover that was given up may have brought the source's expiry into force, and has stopped it again. */
function withoutExpiry(spec: IndexSpec, seconds: number | undefined): IndexSpec {
  const now = expirySeconds(spec.get('expireAfterSeconds'));
  if (seconds === undefined || (now !== seconds && now !== NEVER)) return spec;
  return new Map([...spec].filter(([name]) => name !== 'expireAfterSeconds'));
}

/** Whether two indexes are alike in what a server leaves out when it takes one for the other. */
function haveSameFlags(form: IndexSpec, now: IndexSpec): boolean {
  const flags = ['unique', 'prepareUnique', 'hidden'] as const;
  const hasSame = flags.every((flag) => hasFlag(form, flag) === hasFlag(now, flag));
  return hasSame && hasVersionOf(form, now) && !now.has('expireAfterSeconds');
}

function visible(spec: IndexSpec): IndexSpec {
  return new Map([...spec].filter(([name]) => name !== 'hidden'));
}

function planOptions(
  { options }: Shape,
  target: TargetShape,
  { preImages }: ShapeFeatures,
): ShapeStep[] {
  const steps: ShapeStep[] = [];
  const differs = (name: string, wanted = options) =>
    differentOptions(only(wanted, name), only(target.options, name)).length > 0;
  if (preImages && differs('changeStreamPreAndPostImages')) {
    const wanted = options.get('changeStreamPreAndPostImages') ?? OFF;
    steps.push(modify('changeStreamPreAndPostImages', { changeStreamPreAndPostImages: wanted }));
  }
  if (!preImages && differs('recordPreImages'))
    steps.push(modify('recordPreImages', { recordPreImages: options.has('recordPreImages') }));
  if (differs('size')) steps.push(modify('size', { cappedSize: options.get('size') }));
  // Without a limit on documents the option is not there; to the server that is 0.
  if (differs('max')) steps.push(modify('max', { cappedMax: options.get('max') ?? int(0) }));
  // What a cutover that was given up has left.
  if (differs('validator', new Map())) steps.push(modify('validator', { validator: {} }));
  if (target.options.has('expireAfterSeconds'))
    steps.push(modify('expireAfterSeconds', { expireAfterSeconds: 'off' }));
  return steps;
}

/** What the source has by now and the cutover could not bring into force. */
function findLost({ options }: Shape, { collMod }: ShapeFeatures): ShapeStep[] {
  if (collMod) return [];
  const none: Shape['options'] = new Map();
  return ['validator', 'expireAfterSeconds']
    .filter((name) => differentOptions(only(options, name), none).length > 0)
    .map((name) => ({
      kind: 'impossible',
      ...option(name),
      problem: "the target's user may not run collMod: grant it",
    }));
}

function only(options: Shape['options'], name: string): Shape['options'] {
  const value = options.get(name);
  return new Map(value ? [[name, value]] : []);
}

function drop(spec: IndexSpec): ShapeStep & { readonly kind: 'drop' } {
  const index = indexName(spec);
  return { kind: 'drop', index, what: `index "${index}"`, key: `drop ${indexMeaning(spec)}` };
}

function create(spec: IndexSpec): ShapeStep {
  const what = `index "${indexName(spec)}"`;
  return { kind: 'create', spec, what, key: `create ${indexMeaning(spec)}` };
}

function modifyIndex(name: string, how: Document): ShapeStep {
  const what = `index "${name}"`;
  const key = `${what} ${BSON.serialize(how).toString()}`;
  return { kind: 'modify', change: { index: { name, ...how } }, what, key };
}

function modify(name: string, change: Document): ShapeStep {
  const key = `${name} ${BSON.serialize(change).toString()}`;
  return { kind: 'modify', change, ...option(name), key };
}

function option(name: string): { what: string; key: string } {
  return { what: `option "${name}"`, key: name };
}
