import { Timestamp } from 'mongodb';
import { asBuffer, fields, RawValue, walk } from './raw.js';
import { decodeToken, type ResumeToken } from './token.js';

/** What replay has to know of a change event. */
export interface ChangeEvent {
  /** `_data` of the event's resume token. */
  readonly token: string;
  /**
   * The whole token as BSON: beside `_data` it has `_typeBits` where the `_id` is a long, double or decimal, and
   * without them the server does not find the event again.
   */
  readonly tokenBytes: Buffer;
  readonly operation: string;
  /** `_id` of the changed document; absent for events of the whole collection. */
  readonly id?: RawValue | undefined;
  readonly time: Timestamp;
  /** Of a database's stream: its collection, and for a rename the new name; absent for events of the whole database. */
  readonly collection?: string | undefined;
  readonly to?: string | undefined;
}

const wanted = { operationType: 1, clusterTime: 1, 'documentKey._id': 1 } as const;
/** Servers since 6.0 turn a match into one of the oplog, with a regular expression for each name. */
const MOST_MATCHED = 10;

/** Change stream stages: nothing that replay does not need leaves the source. */
export function changeStreamPipeline(start: {
  readonly resumeAfter?: object;
  readonly startAtOperationTime?: Timestamp;
}): object[] {
  return [{ $changeStream: start }, { $project: wanted }];
}

/**
 * The same for some collections of a database, with the names that tell their events apart. A match costs
 * a third of reading everything (one of 100 collections, 6.0.5), and with 100 names half as much again;
 * an expression, which is looked at later, a quarter more with any number of names.
 */
export function databaseStreamPipeline(
  startAtOperationTime: Timestamp,
  collections: readonly string[],
): object[] {
  const whole = ['dropDatabase', 'invalidate'];
  const match =
    collections.length <= MOST_MATCHED
      ? {
          $or: [
            { 'ns.coll': { $in: collections } },
            { 'to.coll': { $in: collections } },
            { operationType: { $in: whole } },
          ],
        }
      : {
          $expr: {
            $or: [
              { $in: ['$ns.coll', { $literal: collections }] },
              { $in: ['$to.coll', { $literal: collections }] },
              { $in: ['$operationType', whole] },
            ],
          },
        };
  return [
    { $changeStream: { startAtOperationTime } },
    { $match: match },
    { $project: { ...wanted, 'ns.coll': 1, 'to.coll': 1 } },
  ];
}

/** Reads one event of `changeStreamPipeline` or `databaseStreamPipeline` without decoding it. */
export function parseEvent(bytes: Buffer): ChangeEvent {
  let token = '';
  let tokenBytes: Buffer | undefined;
  let operation = '';
  let time: Timestamp | undefined;
  let id: RawValue | undefined;
  let collection: string | undefined;
  let to: string | undefined;
  walk(bytes, 0, (_type, nameStart, _nameEnd, valueStart, valueEnd) => {
    // The first letter tells the names apart: _id, operationType, clusterTime, documentKey, ns, to.
    switch (bytes[nameStart]) {
      case 0x5f:
        token = firstString(bytes, valueStart);
        tokenBytes = bytes.subarray(valueStart, valueEnd);
        break;
      case 0x6f:
        operation = bytes.toString('latin1', valueStart + 4, valueEnd - 1);
        break;
      case 0x63:
        time = readTimestamp(bytes, valueStart);
        break;
      case 0x64:
        walk(bytes, valueStart, (keyType, _start, _end, keyStart, keyEnd) => {
          id = new RawValue(keyType, bytes.subarray(keyStart, keyEnd));
          return false;
        });
        break;
      case 0x6e:
        collection = firstString(bytes, valueStart);
        break;
      case 0x74:
        to = firstString(bytes, valueStart);
        break;
      default:
    }
  });
  if (!token || !tokenBytes || !operation || !time) {
    throw new Error('the change stream gave an event of an unknown form');
  }
  return { token, tokenBytes, operation, time, id, collection, to };
}

/** From where a stream goes on after this event. */
export function resumeAfter({ tokenBytes }: ChangeEvent): ResumeToken {
  return decodeToken(tokenBytes);
}

/** The same event without the memory of the reply that it came in. */
export function detached(event: ChangeEvent): ChangeEvent {
  const { id, tokenBytes } = event;
  return {
    ...event,
    tokenBytes: Buffer.from(tokenBytes),
    id: id && new RawValue(id.type, Buffer.from(asBuffer(id.bytes))),
  };
}

/** `_data` of a token document that came as BSON bytes. */
export function tokenData(token: Buffer): string {
  const data = fields(token).get('_data');
  if (!data) throw new Error('the change stream gave a resume token of an unknown form');
  return asBuffer(data.bytes).toString('latin1', 4, data.bytes.length - 1);
}

function firstString(bytes: Buffer, document: number): string {
  let text = '';
  walk(bytes, document, (_type, _nameStart, _nameEnd, valueStart, valueEnd) => {
    text = bytes.toString('utf8', valueStart + 4, valueEnd - 1);
    return false;
  });
  return text;
}

function readTimestamp(bytes: Buffer, at: number): Timestamp {
  return new Timestamp({ t: bytes.readUInt32LE(at + 4), i: bytes.readUInt32LE(at) });
}
