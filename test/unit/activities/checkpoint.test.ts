import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { readCheckpoint, saveCheckpoint } from '../../../src/activities/checkpoint.js';
import { startingPoint } from '../../../src/mongo/collection-comparison.js';
import { RawValue } from '../../../src/mongo/raw.js';
import { everyId, rawOf, stringBytes } from '../../helpers/bson.js';

const KEY = 'a b';

/** A checkpoint as the next attempt gets it, through JSON. */
function again(next: RawValue | undefined, key = KEY) {
  const checkpoint = { ...startingPoint, pass: 2 as const, missing: 3, ...(next && { next }) };
  const saved: unknown = JSON.parse(JSON.stringify(saveCheckpoint(checkpoint, KEY)));
  return readCheckpoint(saved, key);
}

describe('a checkpoint in a heartbeat', () => {
  it.each(Object.entries(everyId))('keeps every byte of its _id: %s', (_what, id) => {
    const raw = rawOf(id);
    const read = again(raw);
    expect(read?.next?.key).toBe(raw.key);
    const sent = BSON.serialize({ id: read?.next });
    expect(Buffer.compare(sent, BSON.serialize({ id: raw }))).toBe(0);
  });

  it('keeps bytes that are no text', () => {
    const odd = new RawValue(0x02, stringBytes(Buffer.from([0xff, 0xfe])));
    expect(again(odd)?.next?.key).toBe(odd.key);
  });

  it('keeps counts and what was found', () => {
    const first = [
      { id: '1', kind: 'differs' as const, field: 'a.b', what: 'value' },
      { id: '2', kind: 'missing' as const },
    ];
    const checkpoint = {
      ...startingPoint,
      first,
      differing: 1,
      source: { documents: 5, bytes: 7 },
    };
    expect(readCheckpoint(saveCheckpoint(checkpoint, KEY), KEY)).toEqual(checkpoint);
  });

  it('is none when it is about other collections, or is something else', () => {
    expect(again(undefined)).toMatchObject({ pass: 2, missing: 3 });
    expect(again(undefined, 'a c')).toBeUndefined();
    for (const other of [
      undefined,
      null,
      5,
      {},
      { collections: KEY },
      { ...startingPoint, pass: 3 },
    ])
      expect(readCheckpoint(other, KEY)).toBeUndefined();
  });
});
