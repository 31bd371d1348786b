import { BSON, type Document, Timestamp } from 'mongodb';

/**
 * Resume tokens. `_data` is hexadecimal text whose order as a string is the order of the stream; it
 * begins with the byte 0x82 and the cluster time of the event (8 bytes).
 */
export interface ResumeToken extends Document {
  readonly _data: string;
}

/** Decodes a token that came as BSON bytes. */
export function decodeToken(bytes: Uint8Array): ResumeToken {
  const token = BSON.deserialize(bytes, { promoteBuffers: false });
  if (typeof token._data !== 'string') {
    throw new Error('the change stream gave a resume token of an unknown form');
  }
  return token as ResumeToken;
}

/**
 * Cluster time of a token's event; of a token between events, the time up to which the stream has
 * been read.
 */
export function tokenTime(data: string): Timestamp {
  if (!/^82[0-9A-F]{16}/i.test(data)) throw new Error('a resume token of an unknown form');
  return new Timestamp({
    t: Number.parseInt(data.slice(2, 10), 16),
    i: Number.parseInt(data.slice(10, 18), 16),
  });
}

/** The latest cluster time that is earlier. */
export function justBefore(time: Timestamp): Timestamp {
  return new Timestamp(time.toBigInt() - 1n);
}

/** Milliseconds since 1970 of a cluster time (whole seconds; the increment orders within them). */
export function timestampMs(time: Timestamp): number {
  return time.getHighBitsUnsigned() * 1000;
}
