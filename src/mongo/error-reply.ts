import { createRequire } from 'node:module';
import type { Document, MongoClient } from 'mongodb';

/**
 * An error reply is decoded whole, although of the others all is to stay bytes: the driver keeps an error's
 * `topologyVersion`, and at the next error it would fail on its bytes, so that a failover came out as a
 * TypeError. `MongoDBResponse` is not public API of mongodb 7.9.0, which is why that is pinned exactly and
 * test/unit/mongo/error-reply.test.ts fails first when an upgrade changes it.
 */
const require = createRequire(import.meta.url);
const { MongoDBResponse } = require('mongodb/lib/cmap/wire_protocol/responses.js') as {
  MongoDBResponse: { prototype: Reply };
};

interface Reply {
  readonly ok: 0 | 1;
  toObject: (options?: object) => Document;
}

const { toObject } = MongoDBResponse.prototype;
MongoDBResponse.prototype.toObject = function decode(this: Reply, options?: object): Document {
  return toObject.call(this, this.ok === 0 ? { ...options, raw: false } : options);
};

const clients = new WeakMap<Error, MongoClient>();

/** Remembers by which client an error came: the error itself does not say whose server it is from. */
export function noteClient(error: unknown, client: MongoClient): void {
  if (error instanceof Error) clients.set(error, client);
}

/** The client by which an error came; nothing where nobody has noted it. */
export function clientOf(error: unknown): MongoClient | undefined {
  return error instanceof Error ? clients.get(error) : undefined;
}
