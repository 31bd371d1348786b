import { Timestamp } from 'mongodb';
import { asBuffer, fields, RawValue, walk } from './raw.js';

/** What replay has to know of a change event. */
export interface ChangeEvent {
  /** `_data` of the event's resume token. */
  readonly token: string;
  readonly operation: string;
  /** `_id` of the changed document; absent for events of the whole collection. */
  readonly id?: RawValue | undefined;
  readonly time: Timestamp;
}

/** Change stream stages: nothing that replay does not need leaves the source. */
export function changeStreamPipeline(start: {
  readonly resumeAfter?: object;
  readonly startAtOperationTime?: Timestamp;
}): object[] {
  return [
    { $changeStream: start },
    { $project: { operationType: 1, clusterTime: 1, 'documentKey._id': 1 } },
  ];
}

/** Reads one event of `changeStreamPipeline` without decoding it. */
export function parseEvent(bytes: Buffer): ChangeEvent {
  let token = '';
  let operation = '';
  let time: Timestamp | undefined;
  let id: RawValue | undefined;
  walk(bytes, 0, (_type, nameStart, _nameEnd, valueStart, valueEnd) => {
    // The first letter tells the four names apart: _id, operationType, clusterTime, documentKey.
    switch (bytes[nameStart]) {
      case 0x5f:
        token = firstString(bytes, valueStart);
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
      default:
    }
  });
  if (!token || !operation || !time) {
    throw new Error('the change stream gave an event of an unknown form');
  }
  return { token, operation, time, id };
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
    text = bytes.toString('latin1', valueStart + 4, valueEnd - 1);
    return false;
  });
  return text;
}

function readTimestamp(bytes: Buffer, at: number): Timestamp {
  return new Timestamp({ t: bytes.readUInt32LE(at + 4), i: bytes.readUInt32LE(at) });
}
