import { expect, it } from 'vitest';
import { betweenEvents } from '../../../src/mongo/shared-stream.js';

const TIME = '66F0A1B200000002';
const BETWEEN = '2B0229296E04';
const EVENT = '2B022C0100296E5A1004A24DE6AE388747CE9A4AAC193641348D46645F69640004';
const like = { _data: `8266F0A10000000001${BETWEEN}` };

/** Tokens as 6.0.5 gives them: the time, and either an event or what stands before all of that time. */
it.each([
  ['of the end of a transaction, which is whole', EVENT, false, TIME],
  ['within what may be a transaction', EVENT, true, '66F0A1B200000001'],
  ['between events', BETWEEN, false, TIME],
  ['between events, after a full reply', BETWEEN, true, TIME],
])('stands before the events of its time, %s', (_what, rest, isFull, time) => {
  const token = { _data: `82${TIME}${rest}` };
  expect(betweenEvents(like, { token, isFull })._data).toBe(`82${time}${BETWEEN}`);
});
