import { type Db, Int32, type MongoClient, type UUID } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCatalogue } from '../../../src/mongo/catalogue.js';
import { clearPartition, dropCapped } from '../../../src/mongo/clear-partition.js';
import { copyDirectly } from '../../../src/mongo/direct-copy.js';
import { CopyPlan, type TakenPartition } from '../../../src/mongo/copy-plan.js';
import { controlOf, must, TestMongo, unfenced } from '../../helpers/data-path.js';
import type { Id } from '../../helpers/bson.js';

/** A clear in one go, and one of several transactions. */
const DOCUMENTS = 12_000;

let mongo: TestMongo;
let client: MongoClient;
let db: Db;
let serial = 0;

beforeAll(async () => {
  mongo = await TestMongo.start('copyfence');
  client = mongo.client;
  db = client.db('target');
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

const { signal } = new AbortController();
const onMoved = (): void => undefined;

interface Case {
  readonly plan: CopyPlan;
  readonly staging: string;
  readonly clear: (partition: TakenPartition) => Promise<void>;
  readonly count: () => Promise<number>;
}

/** A plan of two partitions, both of them in the staging collection. */
async function begin(documents = 100): Promise<Case> {
  serial += 1;
  const name = `orders${serial}`;
  const staging = `cdc-staging.${name}`;
  const plan = new CopyPlan(db, controlOf(db, name));
  const half = JSON.stringify({ $numberInt: String(documents / 2) });
  await plan.save(
    [
      { index: 0, max: half },
      { index: 1, min: half },
    ],
    unfenced,
  );
  const ids = Array.from({ length: documents }, (_, index) => ({ _id: new Int32(index) }));
  await db.collection<{ _id: Id }>(staging).insertMany(ids);
  const clear = (partition: TakenPartition) =>
    clearPartition({ db, staging, plan, partition, signal, onMoved });
  return { plan, staging, clear, count: () => db.collection(staging).countDocuments() };
}

describe('an attempt of the copy that has a successor', () => {
  it('clears nothing of what the successor has copied', async () => {
    const { plan, clear, count } = await begin();
    const old = await plan.take(0);
    await plan.take(0);
    await expect(clear(old)).rejects.toMatchObject({ type: 'Fenced' });
    expect(await count()).toBe(100);
  });

  it('does not say that the partition is copied', async () => {
    const { plan } = await begin();
    const old = await plan.take(0);
    const { epoch } = await plan.take(0);
    await expect(plan.finish(old, { copied: true, written: 50 })).rejects.toMatchObject({
      type: 'Fenced',
    });
    expect(await plan.get(0)).toMatchObject({ copied: false, written: 0, epoch });
  });

  it('does not drop the capped collection that the successor has made', async () => {
    const { plan, staging } = await begin();
    const { uuid } = must(await readCatalogue(db, staging));
    const old = await plan.take(0);
    await plan.take(0);
    await expect(dropCapped(db, staging, must(uuid), plan, old)).rejects.toMatchObject({
      type: 'Fenced',
    });
    expect(must(await readCatalogue(db, staging)).uuid).toEqual(uuid);
  });

  it('does not drop it either when it has looked at its epoch before', async () => {
    const { plan, staging } = await begin();
    const { uuid } = must(await readCatalogue(db, staging));
    const current = await plan.take(0);
    await db.dropCollection(staging);
    await db.createCollection(staging);
    const remade = must(must(await readCatalogue(db, staging)).uuid);
    await expect(
      dropCapped(db, staging, must(uuid) satisfies UUID, plan, current),
    ).rejects.toMatchObject({ type: 'Fenced' });
    expect(must(await readCatalogue(db, staging)).uuid).toEqual(remade);
  });
});

describe('the attempt that has the epoch', () => {
  it('clears its own partition and no other', async () => {
    const { plan, clear, count, staging } = await begin(DOCUMENTS);
    await clear(await plan.take(0));
    expect(await count()).toBe(DOCUMENTS / 2);
    expect(await db.collection<{ _id: Id }>(staging).findOne({ _id: new Int32(0) })).toBeNull();
    await clear(await plan.take(0));
    expect(await count()).toBe(DOCUMENTS / 2);
  });

  it('stops in the middle of a clear when it gets a successor', async () => {
    const { plan, staging, count } = await begin(DOCUMENTS * 2);
    const partition = await plan.take(0);
    let moved = 0;
    const clearing = clearPartition({
      db,
      staging,
      plan,
      partition,
      signal,
      onMoved: async () => {
        moved += 1;
        if (moved === 1) await plan.take(0);
      },
    });
    await expect(clearing).rejects.toMatchObject({ type: 'Fenced' });
    expect(moved).toBe(1);
    expect(await count()).toBeGreaterThan(DOCUMENTS);
  });
});

describe('a late insert of a copy', () => {
  it('does not reach the collection once that has its final name', async () => {
    const { staging } = await begin();
    const final = `final${serial}`;
    const uuid = must(must(await readCatalogue(db, staging)).uuid);
    await db.renameCollection(staging, final);
    await db.collection(final).deleteMany({});
    const source = client.db('source');
    await source.collection<{ _id: Id }>(final).insertOne({ _id: new Int32(1) });
    const late = copyDirectly({
      source,
      sourceCollection: final,
      target: db,
      targetCollection: staging,
      targetUuid: uuid,
      filter: {},
      ordered: false,
      fence: unfenced,
      signal,
      touch: () => undefined,
      onProgress: () => undefined,
      onRefused: async () => undefined,
    });
    await expect(late).rejects.toMatchObject({ type: 'ControlDocumentLost' });
    // A tool names no UUID; it makes a collection that nobody reads.
    await db.collection<{ _id: Id }>(staging).insertOne({ _id: new Int32(1) });
    expect(await db.collection(final).countDocuments()).toBe(0);
  });
});
