import { BSON, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { changeStreamPipeline, parseEvent, tokenData } from '../../../src/mongo/change-event.js';
import { everyId, keyOf } from '../../helpers/bson.js';

const time = new Timestamp({ t: 1_700_000_000, i: 7 });

function event(fields: object): Buffer {
  return Buffer.from(BSON.serialize(fields));
}

describe('parseEvent', () => {
  it.each(Object.entries(everyId))('reads an event of the _id %s', (_what, _id) => {
    const parsed = parseEvent(
      event({
        _id: { _data: '82AB', _typeBits: new BSON.Binary(Buffer.from([1])) },
        operationType: 'update',
        clusterTime: time,
        documentKey: new Map([['_id', _id]]),
      }),
    );
    expect(parsed).toMatchObject({ token: '82AB', operation: 'update' });
    expect(parsed.time.equals(time)).toBe(true);
    expect(parsed.id?.key).toBe(keyOf(_id));
  });

  it('reads a time after 2038', () => {
    const clusterTime = new Timestamp({ t: 0x80000001, i: 7 });
    const fields = { _id: { _data: '82' }, operationType: 'insert', clusterTime };
    expect(parseEvent(event(fields)).time.equals(clusterTime)).toBe(true);
  });

  it('reads fields in any order', () => {
    const parsed = parseEvent(
      event({
        documentKey: { _id: 5 },
        clusterTime: time,
        operationType: 'delete',
        _id: { _data: '82CD' },
      }),
    );
    expect(parsed).toMatchObject({ token: '82CD', operation: 'delete' });
    expect(parsed.id?.key).toBe(keyOf(5));
  });

  it.each(['drop', 'rename', 'dropDatabase', 'invalidate'])(
    'finds no _id in %s',
    (operationType) => {
      const fields = { _id: { _data: '82' }, operationType, clusterTime: time };
      expect(parseEvent(event(fields))).toMatchObject({ operation: operationType, id: undefined });
      expect(parseEvent(event({ ...fields, documentKey: {} })).id).toBeUndefined();
    },
  );

  it.each(['_id', 'operationType', 'clusterTime'])('refuses an event without %s', (name) => {
    const fields: Record<string, unknown> = {
      _id: { _data: '82' },
      operationType: 'insert',
      clusterTime: time,
    };
    delete fields[name];
    expect(() => parseEvent(event(fields))).toThrow('unknown form');
  });
});

describe('tokenData', () => {
  it('reads the text of a token', () => {
    expect(tokenData(event({ _data: '82EF' }))).toBe('82EF');
    expect(() => tokenData(event({ data: '82EF' }))).toThrow('unknown form');
  });
});

it('the pipeline asks for no more than is read, and never for the document', () => {
  const start = { resumeAfter: { _data: '82' } };
  const [stage, project, ...others] = changeStreamPipeline(start);
  expect(stage).toEqual({ $changeStream: start });
  expect(project).toEqual({ $project: { operationType: 1, clusterTime: 1, 'documentKey._id': 1 } });
  expect(others).toEqual([]);
});
