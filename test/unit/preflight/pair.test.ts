import { BSON, type Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { fields } from '../../../src/mongo/raw.js';
import { checkPair } from '../../../src/preflight/pair.js';
import { Findings, type PreflightContext } from '../../../src/preflight/report.js';
import type { SourceState } from '../../../src/preflight/source.js';
import type { TargetState } from '../../../src/preflight/target.js';
import { takenAs } from '../../helpers/taken-as.js';

/** What is found about a collection of an old server, which none of today could be asked for. */
function check(
  targetVersion: string,
  options: Document,
  indexes: readonly Document[] = [],
  { version = '4.4.2', documents = 1, stagingCollMod = true } = {},
) {
  const findings = new Findings();
  const source = {
    deployment: { topology: 'replicaSet', members: 'from/a:1' },
    catalogue: {
      type: 'collection',
      options: fields(BSON.serialize(options)),
      indexes: indexes.map((spec) => fields(BSON.serialize(spec))),
    },
    report: { version, documents },
  };
  const preImages = targetVersion >= '6.0';
  const target = {
    deployment: { topology: 'replicaSet', members: 'to/a:1', featureVersion: targetVersion },
    report: { version: targetVersion, features: { collMod: true, preImages } },
    stagingCollMod,
  };
  const namespaces = { namespace: 'shop.orders', targetNamespace: 'shop.orders' };
  checkPair(
    takenAs<PreflightContext>({ options: namespaces }),
    findings,
    takenAs<SourceState>(source),
    takenAs<TargetState>(target),
  );
  return findings;
}

describe('a source of 4.4', () => {
  const haystack = { key: { l: 'geoHaystack', k: 1 }, name: 'hay', bucketSize: 1 };

  it.each([
    ['4.4.29', []],
    ['5.0.32', ['targetIndex']],
    ['6.0.5', ['targetIndex']],
  ])('with a geoHaystack index, and a target of %s', (version, codes) => {
    const { errors } = check(version, {}, [haystack]);
    expect(errors.map(({ code }) => code)).toEqual(codes);
    for (const { message } of errors) expect(message).toContain('"hay"');
  });

  it.each([
    ['4.4.29', undefined],
    ['5.0.32', undefined],
    ['6.0.5', /recordPreImages.*6\.0\.5.*turn changeStreamPreAndPostImages on/],
  ])('with pre-images, and a target of %s', (version, message) => {
    const { warnings } = check(version, { recordPreImages: true });
    expect(warnings).toHaveLength(message ? 1 : 0);
    for (const warning of warnings) {
      expect(warning.code).toBe('preImages');
      expect(warning.message).toMatch(message ?? '');
    }
  });
});

it('pre-images of 6.0 are told to be lost before it', () => {
  const { warnings } = check('5.0.32', { changeStreamPreAndPostImages: { enabled: true } });
  const [warning] = warnings.filter(({ code }) => code === 'preImages');
  expect(warning?.message).toMatch(
    /changeStreamPreAndPostImages.*5\.0\.32.*turn recordPreImages on/,
  );
});

it('what is tried on the staging collection takes collMod there', () => {
  const codes = (options: Document, stagingCollMod: boolean) =>
    check('6.0.5', options, [], { stagingCollMod }).errors.map(({ code }) => code);
  expect(codes({ validator: { a: 1 } }, true)).toEqual([]);
  expect(codes({ validator: { a: 1 } }, false)).toEqual(['collModRefused']);
  expect(codes({ validationLevel: 'moderate' }, false)).toEqual(['collModRefused']);
  expect(codes({}, false)).toEqual([]);
});

describe('indexes that are built again at the cutover', () => {
  const unique = (name: string) => ({ key: { [name]: 1 }, name, unique: true });

  it('are told with the time that it takes', () => {
    const indexes = ['a', 'b', 'c'].map(unique);
    const { warnings } = check('5.0.32', {}, indexes, { documents: 2_000_000 });
    const [warning] = warnings.filter(({ code }) => code === 'slowCutover');
    // A quarter of a second to a second for a million documents and each index.
    expect(warning?.message).toMatch(/\(a, b, c\).*about 2 to 6 s/);
  });
});

describe('a target before 5.0', () => {
  const codes = (found: readonly { code: string }[]) => found.map(({ code }) => code);

  it('is told to take less than a newer source', () => {
    const { warnings } = check('4.4.29', { capped: true }, [], { version: '6.0.5' });
    const [warning] = warnings.filter(({ code }) => code === 'olderTarget');
    expect(warning?.message).toMatch(/4\.4\.29.*begin with "\$".*capped/);
    expect(codes(check('4.4.29', {}).warnings)).not.toContain('olderTarget');
    const [capped] = check('5.0.32', { capped: true }, [], { version: '6.0.5' }).warnings;
    expect(capped).toMatchObject({ code: 'olderTarget' });
    expect(capped?.message).not.toContain('begin with');
    expect(codes(check('5.0.32', {}, [], { version: '6.0.5' }).warnings)).toEqual([]);
    expect(codes(check('5.0.32', { capped: true }, [], { version: '5.0.3' }).warnings)).toEqual([]);
  });

  it('has no two indexes of one key', () => {
    const indexes = [
      { key: { a: 1 }, name: 'one' },
      { key: { a: 1 }, name: 'other', sparse: true },
    ];
    expect(codes(check('4.4.29', {}, indexes).errors)).toEqual(['equalKeys']);
    expect(codes(check('5.0.32', {}, indexes).errors)).toEqual([]);
  });

  it.each([
    ['$in', { a: { $in: [1, 2] } }],
    ['$or', { $and: [{ $or: [{ a: 1 }, { b: 1 }] }] }],
    ['$geoWithin', { at: { $geoWithin: { $center: [[0, 0], 1] } } }],
  ])('has no partial index by %s, as none before 6.0', (name, partialFilterExpression) => {
    const index = { key: { a: 1 }, name: 'some', partialFilterExpression };
    const { errors } = check('5.0.32', {}, [index], { version: '6.0.5' });
    expect(codes(errors)).toEqual(['targetIndex']);
    expect(errors[0]?.message).toContain(`"some" is a partial one whose filter has ${name}`);
    expect(check('6.0.5', {}, [index], { version: '6.0.5' }).errors).toEqual([]);
    const plain = { ...index, partialFilterExpression: { a: { $gt: 1 } } };
    expect(check('5.0.32', {}, [plain], { version: '6.0.5' }).errors).toEqual([]);
  });

  it('has no expiry that reaches back before 1970', () => {
    const index = { key: { at: 1 }, name: 'ttl', expireAfterSeconds: 2_147_483_647 };
    const { errors } = check('4.4.29', {}, [index]);
    expect(codes(errors)).toEqual(['expiryRange']);
    expect(errors[0]?.message).toContain('"ttl"');
    expect(codes(check('5.0.32', {}, [index]).errors)).toEqual([]);
  });
});
