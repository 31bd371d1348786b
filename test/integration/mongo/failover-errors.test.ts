import { Int32, type MongoClient, MongoServerError } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aliasOf, Connections } from '../../../src/connections.js';
import { clientOf } from '../../../src/mongo/error-reply.js';
import { runRaw } from '../../../src/mongo/raw.js';
import { Secret } from '../../../src/secret.js';
import { TestMongo } from '../../helpers/data-path.js';

let mongo: TestMongo;
let connections: Connections;

beforeAll(async () => {
  mongo = await TestMongo.start('errors');
  connections = Connections.from({ uris: new Map([['source', new Secret(mongo.server.uri)]]) });
});

afterAll(async () => {
  await connections?.close();
  await mongo?.[Symbol.asyncDispose]();
});

it('a failover is told as what it is, by each command that meets it, and by whose server', async () => {
  const client: MongoClient = connections.get('source');
  const command = {
    findAndModify: 'items',
    query: { _id: 1 },
    update: { $set: { v: 1 } },
    upsert: true,
  };
  await runRaw(client.db('shop'), command);
  await mongo.client.db('admin').command({ replSetStepDown: 3, force: true });
  const outcomes = await Promise.allSettled(
    [1, 2, 3, 4].map((_id) =>
      runRaw(client.db('shop'), { ...command, query: { _id: new Int32(_id) } }),
    ),
  );
  const errors: unknown[] = outcomes.flatMap((each) =>
    each.status === 'rejected' ? [each.reason] : [],
  );
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) {
    expect(error).toBeInstanceOf(MongoServerError);
    const by = clientOf(error);
    expect(by && aliasOf(by)).toBe('source');
  }
});
