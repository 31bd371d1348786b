import { createHash } from 'node:crypto';
import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { fields, RawValue } from '../../../src/mongo/raw.js';
import { nextChange } from '../../soak/changes.js';
import { chooseCollections, featuresOf, type Profile } from '../../soak/collections.js';
import { Dice } from '../../soak/dice.js';
import { equalId, idSeries, singularIds } from '../../soak/ids.js';
import { Lane } from '../../soak/lane.js';
import { nextShapeChange } from '../../soak/shapes.js';
import { updates } from '../../soak/updates.js';
import { scalars } from '../../soak/values.js';

const DOCUMENTS = 200;
const CHANGES = 1_000;
const ALL = featuresOf('6.0.5', '6.0.5');

function profileOf(seed: number, kind = 'main'): Profile {
  const found = chooseCollections(seed, DOCUMENTS, ALL).find((profile) => profile.kind === kind);
  if (!found) throw new Error(`seed ${seed} has no collection of kind ${kind}`);
  return found;
}

/** All that a lane does: its documents and its changes, as one hash. */
function hashOf(seed: number, number = 0): string {
  const profile = { ...profileOf(seed), large: false };
  const lane = new Lane(profile, seed, number);
  const hash = createHash('sha256');
  for (const document of lane.load()) hash.update(document);
  for (let count = 0; count < CHANGES; count++) {
    const { kind, mode, commands } = nextChange(lane, profile);
    hash.update(`${kind} ${mode}`);
    for (const command of commands) hash.update(BSON.serialize(command));
  }
  return hash.digest('hex');
}

describe('what the servers decide', () => {
  it('is by the older of the two', () => {
    expect(featuresOf('4.4.2', '6.0.5')).toEqual({
      clustered: false,
      images: false,
      twins: false,
      growth: false,
      cappedDeletes: false,
      resize: false,
      aging: false,
      capped: true,
      dollarNames: false,
    });
    expect(featuresOf('6.0.27', '5.0.32')).toMatchObject({ images: false, dollarNames: true });
    expect(featuresOf('6.0.5', '4.4.2')).toMatchObject({ capped: false });
  });

  it('leaves out kinds of collections, and names at the top that begin with `$`', () => {
    const old = Array.from({ length: 20 }, (_, seed) =>
      chooseCollections(seed, DOCUMENTS, featuresOf('4.4.2', '4.4.2')),
    ).flat();
    expect(old.some(({ kind }) => ['clustered', 'images'].includes(kind))).toBe(false);
    const [first] = old;
    if (!first) throw new Error('there is a large one in each seed');
    const names = [...new Lane({ ...first, large: false }, 1, 0).load()].flatMap((document) => [
      ...fields(document).keys(),
    ]);
    expect(names.length).toBeGreaterThan(DOCUMENTS);
    expect(names.filter((name) => name.startsWith('$'))).toEqual([]);
  });
});

describe('what a seed decides', () => {
  it('is the same for the same seed, byte for byte', () => {
    expect(hashOf(7)).toBe(hashOf(7));
    expect(chooseCollections(7, DOCUMENTS, ALL)).toEqual(chooseCollections(7, DOCUMENTS, ALL));
  });

  it('is other for another seed, and for another lane', () => {
    const hashes = [hashOf(7), hashOf(8), hashOf(7, 1)];
    expect(new Set(hashes).size).toBe(3);
  });

  it('has in some seed each kind of collection, and in each seed the large one', () => {
    const seeds = Array.from({ length: 30 }, (_, seed) => chooseCollections(seed, DOCUMENTS, ALL));
    expect(seeds.every(([first]) => first?.kind === 'main')).toBe(true);
    const kinds = new Set(seeds.flat().map(({ kind }) => kind));
    expect([...kinds].toSorted()).toEqual([
      'capped',
      'clustered',
      'collation',
      'images',
      'main',
      'plain',
      'validator',
      'warning',
    ]);
    for (const profiles of seeds) {
      expect(new Set(profiles.map(({ name }) => name)).size).toBe(profiles.length);
      expect(profiles.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    }
  });
});

describe('the changes', () => {
  it('are of all kinds and all forms', () => {
    const profile = profileOf(1);
    const lane = new Lane(profile, 1, 0);
    for (const _ of lane.load());
    const kinds = new Set<string>();
    for (let count = 0; count < 4_000; count++) kinds.add(nextChange(lane, profile).kind);
    for (const form of Object.keys(updates)) expect(kinds).toContain(`update ${form}`);
    for (const kind of ['insert', 'transaction', 'aborted', 'rotateSeats', 'retype', 'upsert']) {
      expect(kinds).toContain(kind);
    }
  });

  it.each([false, true])(
    'begin no transaction in a capped collection, and delete there: %s',
    (cappedDeletes) => {
      const seed = Array.from({ length: 30 }, (_, each) => each).find((each) =>
        chooseCollections(each, DOCUMENTS, ALL).some(({ kind }) => kind === 'capped'),
      );
      const profile = { ...profileOf(seed ?? 0, 'capped'), cappedDeletes };
      const lane = new Lane(profile, 1, 0);
      let deletes = 0;
      for (let count = 0; count < CHANGES; count++) {
        const { mode, commands } = nextChange(lane, profile);
        expect(mode).toBe('plain');
        deletes += commands.some((command) => 'delete' in command || 'remove' in command) ? 1 : 0;
      }
      expect(deletes > 0).toBe(cappedDeletes);
    },
  );
});

describe('changes of indexes and options', () => {
  it('are of all kinds, and the same for the same seed', () => {
    const profile = { ...profileOf(1), kind: 'images' };
    const make = () => {
      const dice = new Dice('shapes', 1);
      return Array.from({ length: 200 }, () => nextShapeChange(profile, dice, new Set(['made 1'])));
    };
    expect(make()).toEqual(make());
    expect([...new Set(make().map(({ kind }) => kind))].toSorted()).toEqual(
      ['createIndex', 'dropIndex', 'expiry', 'hide', 'images', 'otherIndex', 'validator'], // prettier-ignore
    );
  });

  it('leave a capped collection the documents that it takes', () => {
    const dice = new Dice('shapes', 2);
    const profile = { ...profileOf(1), options: { capped: true, size: 4096 }, indexes: [] };
    const kinds = Array.from({ length: 200 }, () => nextShapeChange(profile, dice, new Set()).kind);
    expect(kinds.some((kind) => ['expiry', 'validator', 'images'].includes(kind))).toBe(false);
  });
});

describe('a capped collection that ages', () => {
  it('is there only where that is wanted, and its documents keep their size', () => {
    const seeds = Array.from({ length: 30 }, (_, seed) =>
      chooseCollections(seed, DOCUMENTS, ALL, { aging: true }),
    ).flat();
    const profile = seeds.find(({ kind }) => kind === 'aging');
    if (!profile) throw new Error('one of the seeds has one');
    const lane = new Lane(profile, 1, 0);
    for (const _ of lane.load());
    const kinds = new Set<string>();
    for (let count = 0; count < CHANGES; count++) kinds.add(nextChange(lane, profile).kind);
    expect([...kinds].toSorted()).toEqual(['insert', 'touch']);
  });
});

describe('the documents', () => {
  it('have values of all BSON types', () => {
    const types = new Set(scalars.map(({ type }) => type));
    const all = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 127, 255];
    expect([...types].toSorted((one, other) => one - other)).toEqual(all);
  });

  it('have _ids of which no two are equal, but where that is the point', () => {
    const dice = new Dice('ids');
    const ids = Array.from({ length: 2_000 }, (_, n) => idSeries.referring(n + 1, dice));
    const keys = [
      ...ids.map(({ value }) => value.key),
      ...singularIds.flat().map(({ key }) => key),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    const numeric = ids.filter(({ value }) => value.type === 0x10);
    for (const id of numeric.slice(0, 50)) {
      const other = equalId(id, dice);
      expect(other?.value).toBeInstanceOf(RawValue);
      expect(other?.value.key).not.toBe(id.value.key);
      const [one, two] = [id.value, other?.value].map((value) =>
        Number(String(BSON.deserialize(BSON.serialize({ value }))['value'])),
      );
      expect(one).toBe(two);
    }
  });
});
