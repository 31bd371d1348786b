import { setTimeout as sleep } from 'node:timers/promises';
import { BSON, Double, Int32, Long, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Tally } from '../../../src/comparison.js';
import {
  type Checkpoint,
  compareCollections,
  type ComparisonOptions,
  startingPoint,
} from '../../../src/mongo/collection-comparison.js';
import { everyId } from '../../helpers/bson.js';
import { type Any, AS_IT_IS, TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;
let name = '';
let serial = 0;

beforeAll(async () => {
  mongo = await TestMongo.start('comparison');
  client = mongo.client;
});

beforeEach(() => {
  serial += 1;
  name = `orders${serial}`;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const source = () => client.db('source').collection<Any>(name);
const target = () => client.db('target').collection<Any>(name);

/** A clock that only waiting moves. */
function virtualClock() {
  let time = 0;
  return {
    now: () => time,
    wait: async (ms: number) => {
      time += ms;
    },
  };
}

/** Compares without patience unless told otherwise. @returns all checkpoints too. */
async function compare(
  options: Partial<ComparisonOptions> = {},
  start?: Checkpoint,
): Promise<Tally & { checkpoints: Checkpoint[] }> {
  const checkpoints: Checkpoint[] = [];
  const tally = await compareCollections(
    {
      source: { db: client.db('source'), collection: name },
      target: { db: client.db('target'), collection: name },
      sameOrder: true,
      limits: {},
      patience: { rounds: 1, waitMs: 0, oldestMs: 0 },
      signal: new AbortController().signal,
      clock: virtualClock(),
      onProgress: (checkpoint) => {
        if (checkpoint !== checkpoints.at(-1)) checkpoints.push(checkpoint);
      },
      ...options,
    },
    start,
  );
  return { ...tally, checkpoints };
}

const ids = Object.values(everyId);
const clustered = { clusteredIndex: { key: { _id: 1 }, unique: true } } as const;
const collated = { collation: { locale: 'en', strength: 2 } } as const;

/** Kinds of collections, and options of each side. */
const kinds = [
  ['ordinary', {}, {}, true],
  ['clustered', clustered, clustered, true],
  ['clustered at one side', clustered, {}, true],
  ['collated', collated, collated, true],
  ['collated and clustered', { ...collated, ...clustered }, collated, true],
  ['capped', { capped: true, size: 1_000_000 }, {}, true],
  ['collated at one side', collated, {}, false],
] as const;

describe.each(kinds)('collections that are %s', (_kind, left, right, sameOrder) => {
  beforeEach(async () => {
    await client.db('source').createCollection(name, left);
    await client.db('target').createCollection(name, right);
  });

  it('are equal with every type of _id, in batches of any size', async () => {
    const documents = ids.map((_id) => ({ _id, a: 1 }));
    await source().insertMany(documents, AS_IT_IS);
    await target().insertMany(documents.toReversed(), AS_IT_IS);
    for (const documentsPerSecond of [1, 2, 7, 1000]) {
      const found = await compare({ sameOrder, limits: { documentsPerSecond } });
      const all = { documents: ids.length };
      expect(found).toMatchObject({ source: all, target: all, first: [] });
      expect(found).toMatchObject({ differing: 0, missing: 0, extra: 0, unsettled: 0 });
      const bytes = documents.reduce((sum, one) => sum + BSON.calculateObjectSize(one), 0);
      expect([found.source.bytes, found.target.bytes]).toEqual([bytes, bytes]);
    }
  });

  it('go on from every place with the same result', async () => {
    const documents = ids.map((_id) => ({ _id, a: new Int32(1) }));
    await source().insertMany(
      documents.filter((_, index) => index % 7 !== 3),
      AS_IT_IS,
    );
    await target().insertMany(
      documents
        .filter((_, index) => index % 5 !== 2)
        .map((one, index) => (index % 4 === 0 ? { ...one, a: new Double(1) } : one)),
      AS_IT_IS,
    );
    const options = { sameOrder, limits: { documentsPerSecond: 1 } };
    const { checkpoints, ...whole } = await compare(options);
    expect(whole.missing).toBeGreaterThan(2);
    expect(whole.extra).toBeGreaterThan(2);
    expect(whole.differing).toBeGreaterThan(2);
    for (const checkpoint of checkpoints) {
      const { checkpoints: _later, ...rest } = await compare(options, checkpoint);
      expect(rest).toEqual(whole);
    }
    // The first place is before anything, and all the others are different ones.
    expect(checkpoints.length).toBeGreaterThan(ids.length / 2);
  });

  it('are found empty on one side or both', async () => {
    expect(await compare({ sameOrder })).toMatchObject({ missing: 0, extra: 0 });
    await target().insertMany(
      ids.map((_id) => ({ _id })),
      AS_IT_IS,
    );
    const count = (await target().find().toArray()).length;
    expect(await compare({ sameOrder })).toMatchObject({ missing: 0, extra: count });
    await target().drop();
    await source().insertMany(
      ids.map((_id) => ({ _id })),
      AS_IT_IS,
    );
    expect(await compare({ sameOrder })).toMatchObject({ missing: ids.length, extra: 0 });
  });
});

describe('a difference', () => {
  it.each([
    ['a byte', { t: 'text' }, { t: 'tex ' }, 't', 'value'],
    [
      '1 and 1.0',
      { items: [{ p: new Int32(1) }] },
      { items: [{ p: new Double(1) }] },
      'items.0.p',
      'type, int at the source and double at the target',
    ],
    [
      '1 and 1L',
      { n: new Int32(1) },
      { n: Long.fromInt(1) },
      'n',
      'type, int at the source and long at the target',
    ],
    ['the order', { a: 1, b: 1 }, { b: 1, a: 1 }, 'a', 'order of the fields'],
    ['a field less', { a: 1, b: null }, { a: 1 }, 'b', 'missing at the target'],
    ['a field more', { a: 1 }, { a: 1, b: null }, 'b', 'not at the source'],
  ])('is found and named: %s', async (_what, one, other, field, what) => {
    const same = Array.from({ length: 50 }, (_, _id) => ({ _id, t: 'x' }));
    await source().insertMany([...same, { _id: 'x', ...one }]);
    await target().insertMany([...same, { _id: 'x', ...other }]);
    const found = await compare();
    expect(found).toMatchObject({ differing: 1, missing: 0, extra: 0 });
    expect(found.first).toEqual([{ id: '"x"', kind: 'differs', field, what }]);
  });

  it('is found in an _id that is equal but not the same', async () => {
    await source().insertOne({ _id: new Int32(5) });
    await target().insertOne({ _id: new Double(5) });
    const found = await compare();
    expect(found).toMatchObject({ differing: 0, missing: 1, extra: 1 });
    expect(found.first.toSorted((one, other) => one.id.length - other.id.length)).toEqual([
      { id: '5', kind: 'missing' },
      { id: '{"$numberDouble":"5.0"}', kind: 'extra' },
    ]);
  });

  it('is counted exactly beyond the 20 that are shown', async () => {
    await source().insertMany(Array.from({ length: 30_000 }, (_, _id) => ({ _id })));
    await target().insertMany(Array.from({ length: 70_001 }, (_, index) => ({ _id: -1 - index })));
    const patience = { rounds: 1, waitMs: 0, oldestMs: 10_000 };
    const found = await compare({ patience });
    expect(found).toMatchObject({ missing: 30_000, extra: 70_001 });
    expect(found.first).toHaveLength(20);
  });

  it('is shown with an _id that is cut where it is long', async () => {
    await source().insertOne({ _id: 'k'.repeat(5000) });
    const { first } = await compare();
    expect(first).toHaveLength(1);
    expect(first[0]?.id).toHaveLength(200);
  });

  it('that goes away by itself is none', async () => {
    const documents = Array.from({ length: 100 }, (_, _id) => ({ _id, n: 1 }));
    await source().insertMany(documents);
    await target().insertMany(documents.slice(0, 50));
    const late = sleep(300).then(() => target().insertMany(documents.slice(50)));
    const found = await compare({ patience: { rounds: 3, waitMs: 400, oldestMs: 10_000 } });
    await late;
    expect(found).toMatchObject({ differing: 0, missing: 0, unsettled: 0, first: [] });
  });

  it('of a document that changes all the time is unsettled, and no difference', async () => {
    await source().insertMany([{ _id: 1, n: 0 }, { _id: 2, n: 0 }]); // prettier-ignore
    await target().insertMany([{ _id: 1, n: -1 }, { _id: 2, n: -1 }]); // prettier-ignore
    const stop = new AbortController();
    const writing = (async () => {
      while (!stop.signal.aborted) await source().updateOne({ _id: 1 }, { $inc: { n: 1 } });
    })();
    const found = await compare({ patience: { rounds: 2, waitMs: 100, oldestMs: 10_000 } });
    stop.abort();
    await writing;
    expect(found).toMatchObject({ differing: 1, unsettled: 1 });
    expect(found.first).toMatchObject([{ id: '2', field: 'n' }]);
  });
});

describe('a large comparison', () => {
  it('reads each side once, over many batches', async () => {
    const t = 'x'.repeat(300);
    const documents = Array.from({ length: 25_000 }, (_, _id) => ({ _id, t }));
    await source().insertMany(documents);
    await target().insertMany(documents.filter(({ _id: id }) => id !== 12_345));
    const { checkpoints, ...found } = await compare();
    expect(found).toMatchObject({ source: { documents: 25_000 }, target: { documents: 24_999 } });
    expect(found.first).toEqual([{ id: '12345', kind: 'missing' }]);
    expect(checkpoints.length).toBeGreaterThan(5);
  });

  it('keeps to the limits: what it waits for makes up for what it reads', async () => {
    const t = 'x'.repeat(1000);
    const documents = Array.from({ length: 1000 }, (_, _id) => ({ _id, t }));
    await source().insertMany(documents);
    await target().insertMany(documents);
    for (const [limits, seconds] of [
      [{ documentsPerSecond: 100 }, 10],
      [{ bytesPerSecond: 100_000 }, 10],
    ] as const) {
      const clock = virtualClock();
      await compare({ limits, clock });
      expect(clock.now() / 1000).toBeGreaterThanOrEqual(seconds);
      expect(clock.now() / 1000).toBeLessThan(seconds * 2.2);
    }
  });

  it('ends when it is cancelled', async () => {
    await source().insertMany(Array.from({ length: 10_000 }, (_, _id) => ({ _id })));
    const stop = new AbortController();
    const work = compare({ signal: stop.signal, onProgress: () => stop.abort() });
    await expect(work).rejects.toThrow(/abort/i);
  });
});

it('begins with nothing found', () => {
  expect(startingPoint).toMatchObject({ pass: 1, differing: 0, first: [] });
});
