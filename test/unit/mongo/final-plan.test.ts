import { BSON, type Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { indexName } from '../../../src/mongo/catalogue.js';
import { type FinalFeatures, finalFeatures, planFinal } from '../../../src/mongo/final-plan.js';
import { hasEqualKeys, loadForms } from '../../../src/mongo/index-twins.js';
import { fields } from '../../../src/mongo/raw.js';

const source = (options: Document, ...indexes: Document[]) => ({
  options: fields(BSON.serialize(options)),
  indexes: indexes.map((index) => fields(BSON.serialize({ v: 2, key: { a: 1 }, ...index }))),
});

const everything = source(
  { validator: { a: 1 }, expireAfterSeconds: 60 },
  { name: '_id_', key: { _id: 1 } },
  { name: 'expires', expireAfterSeconds: 30 },
  { name: 'plain' },
  { name: 'both', key: { b: 1 }, unique: true, expireAfterSeconds: 10 },
  { name: 'single', key: { c: 1 }, unique: true },
  { name: 'prepared', key: { d: 1 }, prepareUnique: true },
);

const all: FinalFeatures = { collMod: true, prepareUnique: true, ttlCollMod: true };

describe('the plan for what is held back', () => {
  it('changes indexes in place on 6.0, expiry last', () => {
    expect(planFinal(everything, all)).toEqual({
      beforeOpening: [
        { kind: 'prepareUnique', index: 'both' },
        { kind: 'prepareUnique', index: 'single' },
        { kind: 'prepareUnique', index: 'prepared' },
        { kind: 'validator' },
        { kind: 'expire', index: 'expires', seconds: 30 },
        { kind: 'expire', index: 'both', seconds: 10 },
        { kind: 'expireClustered', seconds: 60 },
      ],
      afterOpening: [
        { kind: 'convertUnique', index: 'both' },
        { kind: 'convertUnique', index: 'single' },
      ],
    });
  });

  it('builds unique indexes again on 5.1 to 5.3, each once', () => {
    const plan = planFinal(everything, { ...all, prepareUnique: false });
    expect(plan.beforeOpening).toEqual([
      { kind: 'rebuild', index: 'both' },
      { kind: 'rebuild', index: 'single' },
      { kind: 'validator' },
      { kind: 'expire', index: 'expires', seconds: 30 },
      { kind: 'expireClustered', seconds: 60 },
    ]);
    expect(plan.afterOpening).toEqual([]);
  });

  it('builds TTL indexes again too without collMod, and applies nothing that needs it', () => {
    const plan = planFinal(everything, finalFeatures('6.0.5', false));
    expect(plan.beforeOpening).toEqual([
      { kind: 'rebuild', index: 'both' },
      { kind: 'rebuild', index: 'single' },
      { kind: 'rebuild', index: 'expires' },
    ]);
  });

  it('lets the plain twin of a unique index wait until that is unique', () => {
    const twins = source(
      {},
      { name: 'plain', hidden: true, expireAfterSeconds: 5 },
      { name: 'unique', unique: true },
      { name: 'sparse', sparse: true },
      { name: 'filtered', partialFilterExpression: { a: 1 } },
    );
    expect(loadForms(twins).map(indexName)).toEqual(['unique', 'sparse', 'filtered']);
    expect(planFinal(twins, all)).toMatchObject({
      beforeOpening: [{ kind: 'prepareUnique', index: 'unique' }],
      afterOpening: [
        { kind: 'convertUnique', index: 'unique' },
        { kind: 'rebuild', index: 'plain' },
      ],
    });
    expect(hasEqualKeys(twins)).toBe(true);
  });

  it('has nothing to do for plain indexes', () => {
    expect(planFinal(source({}, { name: 'plain' }), all)).toEqual({
      beforeOpening: [],
      afterOpening: [],
    });
  });
});

describe('features', () => {
  it.each([
    ['4.4.2', { collMod: true, prepareUnique: false, ttlCollMod: false }],
    ['5.0.32', { collMod: true, prepareUnique: false, ttlCollMod: false }],
    ['5.3.0', { collMod: true, prepareUnique: false, ttlCollMod: true }],
    ['6.0.5', all],
    ['10.0.0-rc1', all],
  ])('of %s', (version, features) => {
    expect(finalFeatures(version, true)).toEqual(features);
  });
});
