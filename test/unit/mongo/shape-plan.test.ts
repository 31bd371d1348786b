import { BSON, Double, Int32, Long, type Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { indexName } from '../../../src/mongo/catalogue.js';
import { fields } from '../../../src/mongo/raw.js';
import { planShape, type ShapeFeatures, type ShapeStep } from '../../../src/mongo/shape-plan.js';

const all: ShapeFeatures = { collMod: true, preImages: true };

function side(indexes: readonly Document[], options: Document = {}, building: string[] = []) {
  const specs = [{ name: '_id_', key: { _id: 1 } }, ...indexes];
  return {
    options: fields(BSON.serialize(options)),
    indexes: specs.map((spec) => fields(BSON.serialize({ v: 2, ...spec }))),
    building: new Set(building),
  };
}

/** A step as a few words. */
function show(step: ShapeStep): string {
  switch (step.kind) {
    case 'drop':
      return `drop ${step.index}`;
    case 'create': {
      const parts = [...step.spec.keys()].filter((name) => !['key', 'collation'].includes(name));
      const names = parts.filter((name) => name !== 'name').map((name) => ` ${name}`);
      return `create ${indexName(step.spec)}${names.join('')}`;
    }
    case 'modify':
      return `modify ${step.what} ${JSON.stringify(plain(step.change))}`;
    default:
      return `${step.what}: ${step.problem}`;
  }
}

/** A command's values as JavaScript's own. */
function plain(change: Document): Document {
  return BSON.deserialize(BSON.serialize(change));
}

function plan(
  source: ReturnType<typeof side>,
  target: ReturnType<typeof side>,
  features: ShapeFeatures = all,
): string[] {
  return planShape(source, target, features).map(show);
}

const a = { name: 'a', key: { a: 1 } };

describe('the steps that give the target the shape of the source', () => {
  it('are none where both are alike but for what is held back', () => {
    const source = side(
      [
        { ...a, unique: true },
        { name: 't', key: { t: new Double(1) }, expireAfterSeconds: 60 },
        { name: 'h', key: { h: 1 }, hidden: true, sparse: false },
        { name: 'p', key: { p: 1 }, prepareUnique: true },
      ],
      { validator: { a: 1 }, validationLevel: 'moderate', expireAfterSeconds: 60 },
    );
    const target = side([
      a,
      { name: 't', key: { t: Long.fromNumber(1) } },
      { name: 'h', key: { h: 1 }, hidden: true },
      { name: 'p', key: { p: 1 } },
    ]);
    expect(plan(source, target)).toEqual([]);
  });

  it('build what is missing in the form that is held back', () => {
    const source = side([
      { ...a, unique: true, partialFilterExpression: { a: 1 } },
      { name: 't', key: { t: 1 }, expireAfterSeconds: 60, hidden: true },
    ]);
    expect(plan(source, side([]))).toEqual(['create a partialFilterExpression', 'create t hidden']);
  });

  it('drop what the source no longer has, before anything is built', () => {
    const renamed = side([{ ...a, name: 'new' }]);
    expect(plan(renamed, side([a, { name: 'b', key: { b: 1 } }]))).toEqual([
      'drop a',
      'drop b',
      'create new',
    ]);
  });

  it('build an index again that has become another under its name', () => {
    const sparse = side([{ ...a, sparse: true }]);
    expect(plan(sparse, side([a]))).toEqual(['drop a', 'create a sparse']);
    expect(plan(side([{ name: 'a', key: { a: -1 } }]), side([a]))).toEqual(['drop a', 'create a']);
    const french = { locale: 'fr', strength: 2 };
    expect(plan(side([{ ...a, collation: french }]), side([a]))).toEqual(['drop a', 'create a']);
  });

  it('hide and show an index in place, or build it again without collMod', () => {
    const hidden = side([{ ...a, hidden: true, unique: true }]);
    expect(plan(hidden, side([a]))).toEqual([
      'modify index "a" {"index":{"name":"a","hidden":true}}',
    ]);
    expect(plan(side([a]), side([{ ...a, hidden: true }]))).toEqual([
      'modify index "a" {"index":{"name":"a","hidden":false}}',
    ]);
    expect(plan(hidden, side([a]), { ...all, collMod: false })).toEqual([
      'drop a',
      'create a hidden',
    ]);
  });

  it('wait for a build that is under way, and give one up that is no longer wanted', () => {
    expect(plan(side([a]), side([a], {}, ['a']))).toEqual(['create a']);
    expect(plan(side([]), side([a], {}, ['a']))).toEqual(['drop a']);
    expect(plan(side([{ ...a, hidden: true }]), side([a], {}, ['a']))).toEqual([
      'drop a',
      'create a hidden',
    ]);
  });

  it('build the unique one of two twins, whichever came first', () => {
    const twins = side([a, { ...a, name: 'u', unique: true }]);
    expect(plan(twins, side([a]))).toEqual(['drop a', 'create u']);
    expect(plan(twins, side([{ ...a, name: 'u' }]))).toEqual([]);
  });

  it('stop an expiry that a cutover has brought into force, and leave it stopped while the source has one', () => {
    const source = (seconds: number) => side([{ ...a, expireAfterSeconds: seconds }]);
    const late = side([{ ...a, expireAfterSeconds: new Int32(60) }]);
    expect(plan(source(60), late)).toEqual([
      'modify index "a" {"index":{"name":"a","expireAfterSeconds":2147483647}}',
    ]);
    expect(plan(source(60), late, { ...all, collMod: false })).toEqual(['drop a', 'create a']);
    const stopped = side([{ ...a, expireAfterSeconds: 2 ** 31 - 1 }]);
    expect(plan(source(60), stopped)).toEqual([]);
    expect(plan(side([a]), stopped)).toEqual(['drop a', 'create a']);
    expect(plan(source(90), side([{ ...a, expireAfterSeconds: 60 }]))).toEqual([
      'drop a',
      'create a',
    ]);
    expect(plan(side([a]), side([{ ...a, unique: true }]))).toEqual(['drop a', 'create a']);
  });

  it('change options in place', () => {
    const on = { changeStreamPreAndPostImages: { enabled: true } };
    expect(plan(side([], on), side([]))).toEqual([
      'modify option "changeStreamPreAndPostImages" {"changeStreamPreAndPostImages":{"enabled":true}}',
    ]);
    expect(plan(side([]), side([], on))).toEqual([
      'modify option "changeStreamPreAndPostImages" {"changeStreamPreAndPostImages":{"enabled":false}}',
    ]);
    expect(plan(side([], on), side([]), { ...all, preImages: false })).toEqual([]);
    const before = { ...all, preImages: false };
    const recording = { recordPreImages: true };
    expect(plan(side([], recording), side([]))).toEqual([]);
    expect(plan(side([], recording), side([]), before)).toEqual([
      'modify option "recordPreImages" {"recordPreImages":true}',
    ]);
    expect(plan(side([]), side([], recording), before)).toEqual([
      'modify option "recordPreImages" {"recordPreImages":false}',
    ]);
    const capped = (size: number, max?: number) =>
      side([], { capped: true, size, ...(max !== undefined && { max }) });
    expect(plan(capped(8192, 9), capped(4096))).toEqual([
      'modify option "size" {"cappedSize":8192}',
      'modify option "max" {"cappedMax":9}',
    ]);
    // As a server before 7.0 has it.
    expect(plan(capped(6001), capped(6144))).toEqual([]);
    expect(plan(capped(4096), capped(4096, 9))).toEqual(['modify option "max" {"cappedMax":0}']);
  });

  it('take back what a cutover has brought into force, whether the source has it or not', () => {
    const left = side([], { validator: { a: 1 }, expireAfterSeconds: 60 });
    for (const source of [side([]), left]) {
      expect(plan(source, left)).toEqual([
        'modify option "validator" {"validator":{}}',
        'modify option "expireAfterSeconds" {"expireAfterSeconds":"off"}',
      ]);
    }
  });

  it('name what needs collMod where the user may not run it', () => {
    const source = side([], { validator: { a: 1 }, expireAfterSeconds: 60 });
    expect(plan(source, side([]), { ...all, collMod: false })).toEqual([
      `option "validator": the target's user may not run collMod: grant it`,
      `option "expireAfterSeconds": the target's user may not run collMod: grant it`,
    ]);
    const empty = side([], { validator: {} });
    expect(plan(empty, side([]), { ...all, collMod: false })).toEqual([]);
  });

  it('have one key when they are the same, and others when the source has changed again', () => {
    const keys = (source: ReturnType<typeof side>) =>
      planShape(source, side([]), all).map(({ key }) => key);
    expect(keys(side([a]))).toEqual(keys(side([{ ...a, unique: true }])));
    expect(keys(side([a]))).not.toEqual(keys(side([{ ...a, sparse: true }])));
  });
});
