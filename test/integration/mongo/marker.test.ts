import { Double, Int32, Long, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MARKER_FIELD, readMarkerToken, removeMarker } from '../../../src/mongo/marker.js';
import { DataPath, TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let client: MongoClient;
let path: DataPath;

beforeAll(async () => {
  mongo = await TestMongo.start('marker');
  client = mongo.client;
});

beforeEach(async () => {
  path = await DataPath.begin(client);
});

afterAll(async () => {
  await mongo?.[Symbol.asyncDispose]();
});

async function readToken() {
  return readMarkerToken(path.source, path.name, 'migrate:source:x', new AbortController().signal);
}

describe('the marker', () => {
  it('gives a position after itself: neither it nor what came before is captured', async () => {
    await path.orders.insertOne({ _id: 1 });
    const token = await readToken();
    await path.orders.insertOne({ _id: 2 });
    await path.capture(token);
    expect((await path.changes()).map(({ kind }) => kind)).toEqual(['u']);
    expect(await path.orders.find().toArray()).toEqual([{ _id: 1 }, { _id: 2 }]);
  });

  it('works while applications write', async () => {
    const stop = new AbortController();
    const writer = (async () => {
      for (let id = 0; !stop.signal.aborted; id++) await path.orders.insertOne({ _id: id });
    })();
    const before = await path.orders.countDocuments();
    const token = await readToken();
    stop.abort();
    await writer;
    await path.capture(token);
    const captured = (await path.changes()).length;
    expect(captured).toBeLessThanOrEqual((await path.orders.countDocuments()) - before);
    expect(await path.orders.findOne({ _id: -1 })).toBeNull();
  });

  it.each([new Int32(-1), new Double(-1), Long.fromInt(-1)])(
    'is refused when the application has a document of its _id: %s',
    async (id) => {
      await path.orders.insertOne({ _id: id, own: true });
      const token = readToken();
      await expect(token).rejects.toMatchObject({ type: 'MarkerRefused' });
      await expect(token).rejects.toThrow('"token": "stream"');
      await removeMarker(path.source, path.name);
      expect(await path.orders.countDocuments({ own: true })).toBe(1);
    },
  );

  it('is refused when a validator or another unique index refuses it', async () => {
    await path.source.command({ collMod: path.name, validator: { name: { $exists: true } } });
    await expect(readToken()).rejects.toMatchObject({ type: 'MarkerRefused' });
    await path.source.command({ collMod: path.name, validator: {} });
    await path.orders.createIndex({ name: 1 }, { unique: true });
    await path.orders.insertOne({ _id: 1 });
    await expect(readToken()).rejects.toMatchObject({ type: 'MarkerRefused' });
    expect(await path.orders.countDocuments()).toBe(1);
  });

  it('that an earlier attempt has left is removed first', async () => {
    await path.orders.insertOne({ _id: -1, [MARKER_FIELD]: 'migrate:source:x' });
    const token = await readToken();
    expect(await path.orders.countDocuments()).toBe(0);
    await path.capture(token);
    expect(await path.changes()).toEqual([]);
  });
});
