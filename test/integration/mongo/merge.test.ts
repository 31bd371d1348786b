import type { MongoClient } from 'mongodb';
import { BSON, Int32, Long } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Id } from '../../helpers/bson.js';
import { runWithDocuments } from '../../../src/mongo/raw.js';
import { DataPath, TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;

beforeAll(async () => {
  mongo = await TestMongo.start('merge', ['--setParameter', 'enableTestCommands=1']);
  client = mongo.client;
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

describe('a range with very many documents', () => {
  it.each([
    [
      'numbers of all kinds',
      (n: number) => [new Int32(n), n + 0.5, Long.fromNumber(1e15 + n)][n % 3],
    ],
    ['numbers and text', (n: number) => (n % 2 ? new Int32(n) : `text ${n}`)],
    ['documents', (n: number) => ({ a: n % 7, b: `${n}` })],
  ])('is merged in parts by _id, which leave nothing out: %s', async (_what, idAt) => {
    const path = await DataPath.begin(client);
    const all = Array.from({ length: 30_000 }, (_, n) => ({ _id: idAt(n) as Id, n }));
    await path.orders.insertMany(all);
    await path.orders.updateMany({ n: { $lt: 15_000 } }, { $inc: { v: 1 } });
    await path.capture();
    // What equal `_id`s have in common is their value: the last of them is what counts.
    await path.orders.deleteMany({ n: { $lt: 10 } });
    await path.orders.insertMany(all.slice(0, 10).map(({ _id }) => ({ _id, again: true })));
    await path.capture();
    await path.replay();
    expect(await path.hashes()).toSatisfy(({ source, target }) => source === target);
  });

  it('of which a server ends one part at its time limit is applied in smaller ones', async () => {
    const path = await DataPath.begin(client);
    await path.orders.insertMany(Array.from({ length: 3_000 }, (_, _id) => ({ _id })));
    await path.capture();
    await client.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['aggregate'], namespace: 'target.cdc', errorCode: 50 },
    });
    expect(await path.replay()).toBe(3_000);
    expect(await path.hashes()).toSatisfy(({ source, target }) => source === target);
  });
});

describe('a part of a range that a server has no room for', () => {
  const LIMITS = [
    'internalDocumentSourceGroupMaxMemoryBytes',
    'internalQueryMaxBlockingSortMemoryUsageBytes',
  ];

  it.each(LIMITS)('arrives byte for byte: %s', async (limit) => {
    const admin = client.db('admin');
    const { was } = await admin.command({ setParameter: 1, [limit]: 256 * 1024 });
    try {
      const path = await DataPath.begin(client);
      const odd = Array.from({ length: 3_000 }, (_, _id) => ({ _id, twic1: 'one', twice: 'two' }));
      const documents = odd.map((document) => {
        const bytes = Buffer.from(BSON.serialize({ ...document, pad: 'p'.repeat(200) }));
        bytes.write('twice', bytes.indexOf('twic1'), 'latin1');
        return bytes;
      });
      await runWithDocuments(path.source, { insert: path.name }, 'documents', documents);
      await path.capture();
      expect(await path.replay()).toBe(3_000);
      const { source, target } = await path.sides();
      expect(target).toEqual(source);
    } finally {
      await admin.command({ setParameter: 1, [limit]: was });
    }
  });
});
