import {
  Binary,
  BSON,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  MongoClient,
  ObjectId,
  Timestamp,
  UUID,
  type Db,
  type Document,
} from 'mongodb';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { obtainMongoTools, startReplicaSet } from '../../embedded/index.js';
import { chooseCutPoints, sampleIds } from '../../src/mongo/cut-points.js';
import { probeWindow } from '../../src/mongo/oplog-window.js';
import {
  chooseRanges,
  type Partition,
  partitionFilter,
  partitionQuery,
  partitionsOf,
  planPartitions,
  usesIdIndex,
} from '../../src/mongo/partitions.js';
import { idOf, runWithDocuments } from '../../src/mongo/raw.js';
import { documentOf } from '../soak/bytes.js';
import { Dice } from '../soak/dice.js';
import { idSeries, singularIds } from '../soak/ids.js';
import { RawCursor } from '../../src/mongo/raw-cursor.js';

let server: Awaited<ReturnType<typeof startReplicaSet>>;
let client: MongoClient;
let db: Db;

beforeAll(async () => {
  server = await startReplicaSet({ name: 'partitions' });
  client = await MongoClient.connect(server.uri);
  db = client.db('shop');
}, 300_000);

afterAll(async () => {
  await client?.close();
  await server?.stop();
});

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function anyId(random: () => number): unknown {
  const whole = Math.floor(random() * 1e6);
  const text = Math.floor(random() * 1e9).toString(36);
  const word = random() < 0.5 ? text : text.toUpperCase();
  const makers: (() => unknown)[] = [
    () => new Int32(whole),
    () => new Double((random() - 0.5) * 1e6),
    () => Long.fromNumber(whole * 1e9),
    () => Decimal128.fromString(`${whole}.5`),
    () => word,
    () => `${word} é\u0000"`,
    () => new ObjectId(Buffer.from(Array.from({ length: 12 }, () => Math.floor(random() * 256)))),
    () => new UUID(Buffer.from(Array.from({ length: 16 }, () => Math.floor(random() * 256)))),
    () => new Binary(Buffer.from(text), 2),
    () => new Binary(Buffer.from(text), 0x80),
    () => new Date(whole * 1e6),
    () => new Timestamp({ t: whole, i: 1 }),
    () => new Code(text),
    () => ({ b: new Int32(whole), a: word }),
    () => new Map<string, unknown>([['x', word], ['1', new Int32(whole)]]), // prettier-ignore
    () => new Map([['$oid', word]]),
    () => ({}),
    () => null,
    () => random() < 0.5,
    () => new Double([NaN, Infinity, -Infinity, -0][whole % 4] ?? 0),
    () => new MinKey(),
    () => new MaxKey(),
  ];
  return makers[Math.floor(random() * makers.length)]?.();
}

async function fill(name: string, ids: readonly unknown[]): Promise<void> {
  for (let at = 0; at < ids.length; at += 5000) {
    const documents = ids.slice(at, at + 5000).map((_id): Document => ({ _id }));
    // Duplicates are refused, which is fine: 5 and 5.0, or "a" and "A" under a collation.
    await db
      .collection(name)
      .insertMany(documents, { ordered: false })
      .catch(() => undefined);
  }
}

/** The same of all types that a server stores, with what no driver would write. */
async function fillOdd(name: string, seed: number): Promise<void> {
  const dice = new Dice('ids', seed);
  const series = Array.from({ length: 3_000 }, (_, n) => idSeries.mixed(n, dice).value);
  const ids = [...series, ...singularIds.flat()];
  const documents = ids.map((id) => documentOf([['_id', id]]));
  await runWithDocuments(db, { insert: name, ordered: false }, 'documents', documents);
}

async function idsOf(name: string, filter: Document): Promise<string[]> {
  const ids: string[] = [];
  const command = { find: name, filter, projection: { _id: 1 } };
  await using cursor = await RawCursor.open(db, command);
  for await (const batch of cursor) ids.push(...batch.documents.map((each) => idOf(each).key));
  return ids;
}

async function plan(name: string, count: number, staggered = false): Promise<readonly Partition[]> {
  const documents = await db.collection(name).countDocuments();
  return planPartitions({ db, collection: name }, [], {
    documents,
    bytes: count * 2 ** 20,
    partitionBytes: 2 ** 20,
    parallelPartitions: 1,
    staggered,
  });
}

/** How many partitions each `_id` is in, and how large they are. */
async function cover(name: string, partitions: readonly Partition[]): Promise<number[]> {
  const all = await idsOf(name, {});
  const found: string[] = [];
  const sizes: number[] = [];
  for (const partition of partitions) {
    const ids = await idsOf(name, partitionFilter(partition));
    sizes.push(ids.length);
    found.push(...ids);
  }
  expect(found.length).toBe(all.length);
  expect(new Set(found)).toEqual(new Set(all));
  return sizes;
}

const collations = [
  ['no collation', {}],
  ['letter case ignored', { collation: { locale: 'en', strength: 2 } }],
  ['numbers in text ordered', { collation: { locale: 'de', numericOrdering: true } }],
] as const;

describe.each(collations)('partitions with %s', (what, options) => {
  const name = `mixed ${what}`;

  it.each([1, 20261123])(
    'cover ids of all types once (seed %i)',
    async (seed) => {
      const random = randomFrom(seed);
      await db
        .collection(name)
        .drop()
        .catch(() => undefined);
      await db.createCollection(name, options);
      await fill(
        name,
        Array.from({ length: 20_000 }, () => anyId(random)),
      );
      await fillOdd(name, seed);
      const partitions = await plan(name, 12);
      expect(partitions.length).toBeGreaterThan(8);
      const sizes = await cover(name, partitions);
      expect(Math.min(...sizes)).toBeGreaterThan(0);
      const byType = partitions.map((partition) => ({ ...partition, byType: true }));
      expect(await cover(name, byType)).toEqual(sizes);
      for (const partition of [...partitions, ...byType]) {
        expect(await usesIdIndex(db, name, partition)).toBe(true);
      }
    },
    60_000,
  );

  it('cover few documents once', async () => {
    const random = randomFrom(7);
    await db
      .collection(`few ${what}`)
      .drop()
      .catch(() => undefined);
    await db.createCollection(`few ${what}`, options);
    await fill(
      `few ${what}`,
      Array.from({ length: 60 }, () => anyId(random)),
    );
    await cover(`few ${what}`, await plan(`few ${what}`, 10));
  });
});

describe('mongodump', () => {
  it.each([false, true])(
    'reads the queries as the server does, by type %s',
    async (byType) => {
      const { mongodump } = await obtainMongoTools();
      const random = randomFrom(3);
      await fill(
        'dumped',
        Array.from({ length: 8000 }, () => anyId(random)),
      );
      const planned = await plan('dumped', byType ? 20 : 40);
      const partitions = planned.map((partition) => ({ ...partition, byType }));
      expect(partitions.length).toBeGreaterThan(byType ? 12 : 25);
      const dumped: string[] = [];
      for (const partition of partitions) {
        const query = ['--query', partitionQuery(partition)];
        const to = ['--uri', server.uri, '--db', 'shop', '--collection', 'dumped', '--out', '-'];
        const { stdout } = await execa(mongodump, [...to, ...query], { encoding: 'buffer' });
        const bytes = Buffer.from(stdout);
        for (let at = 0; at < bytes.length; at += bytes.readInt32LE(at)) {
          dumped.push(idOf(bytes.subarray(at, at + bytes.readInt32LE(at))).key);
        }
      }
      const all = await idsOf('dumped', {});
      expect(dumped.length).toBe(all.length);
      expect(new Set(dumped)).toEqual(new Set(all));
    },
    300_000,
  );
});

describe('partitions', () => {
  it('are of like size, and mongodump’s query names them as the filter does', async () => {
    await fill(
      'even',
      Array.from({ length: 100_000 }, (_, at) => new Int32(at)),
    );
    const partitions = await plan('even', 10);
    expect(partitions).toHaveLength(10);
    const sizes = await cover('even', partitions);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000);
    const [, second] = partitions;
    const query: Document = BSON.EJSON.parse(partitionQuery(second ?? { index: 0 }));
    expect(await db.collection('even').countDocuments(query)).toBe(sizes[1]);
    const staggered = await cover('even', await plan('even', 4, true));
    expect(staggered).toEqual([6_250, 25_000, 25_000, 25_000, 18_750]);
  }, 60_000);

  it('may be cut at sampled values, where a walk would take too long', async () => {
    const random = randomFrom(5);
    await db.createCollection('sampled', { collation: { locale: 'en', strength: 1 } });
    await fill(
      'sampled',
      Array.from({ length: 20_000 }, () => anyId(random)),
    );
    const documents = await db.collection('sampled').countDocuments();
    const points = chooseCutPoints(await sampleIds(db, 'sampled', documents, 10), 10);
    expect(points.length).toBeGreaterThan(5);
    await cover('sampled', partitionsOf(points));
  }, 60_000);

  it('are one where a range would be a full scan', async () => {
    const clusteredIndex = { key: { _id: 1 }, unique: true };
    await db.createCollection('clustered', { clusteredIndex });
    await fill(
      'clustered',
      Array.from({ length: 5000 }, (_, at) => at),
    );
    expect(await plan('clustered', 10)).toEqual([{ index: 0 }]);
    expect(await chooseRanges([{ db, collection: 'clustered' }])).toBe(undefined);
  });

  it('are one for an empty or a missing collection', async () => {
    await db.createCollection('empty');
    expect(await chooseRanges([{ db, collection: 'empty' }])).toEqual({});
    expect(await plan('empty', 10)).toEqual([{ index: 0 }]);
    expect(await plan('missing', 1)).toEqual([{ index: 0 }]);
  });
});

describe('the window of history', () => {
  it('has no end on a server that never removed anything', async () => {
    const { operationTime }: { operationTime?: Timestamp } = await db.command({ ping: 1 });
    expect(operationTime && (await probeWindow(db, 'even', operationTime))).toEqual({
      hours: 744,
      atLeast: true,
    });
  });
});
