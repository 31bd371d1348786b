import { createRequire } from 'node:module';
import { BSON, Long, ObjectId } from 'mongodb';
import { expect, it } from 'vitest';
import '../../../src/mongo/error-reply.js';
import { takenAs } from '../../helpers/taken-as.js';

const { MongoDBResponse } = takenAs<{
  MongoDBResponse: new (bytes: Uint8Array) => {
    toObject(options?: object): Record<string, unknown>;
  };
}>(createRequire(import.meta.url)('mongodb/lib/cmap/wire_protocol/responses.js'));

const topologyVersion = { processId: new ObjectId(), counter: Long.fromNumber(6) };

function decode(ok: number): Record<string, unknown> {
  return new MongoDBResponse(BSON.serialize({ ok, topologyVersion })).toObject({ raw: true });
}

it('a reply that is to stay bytes stays bytes, and is decoded where it is an error', () => {
  expect(decode(1)['topologyVersion']).toBeInstanceOf(Uint8Array);
  expect(decode(0)['topologyVersion']).toMatchObject({ processId: topologyVersion.processId });
});
