import { expect, it } from 'vitest';
import { choosePatience } from '../../../src/activities/cutover-blockers.js';
import type { ControlDocument } from '../../../src/mongo/control-document.js';

const now = new Date('2026-11-24T12:00:00Z');

/** Capture and replay that were heard of so many seconds ago. */
function heard(capture: number, replay: number): Pick<ControlDocument, 'capture' | 'replay'> {
  const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
  return {
    capture: { epoch: 1, events: 0, buffered: 0, bytes: 0, rate: 0, at: ago(capture) },
    replay: { epoch: 1, events: 0, rate: 0, at: ago(replay) },
  };
}

const blocker = (code: string) => ({ code, message: '' });

it.each<[string, ReturnType<typeof heard>, string[], number, number]>([
  ['nothing, as everything is there', heard(1, 1), [], 1, 0],
  ['what no wait changes', heard(1, 1), ['refused'], 1, 0],
  ['a lag of working roles', heard(1, 1), ['lag'], 1, 5_000],
  ['no capture that is idle', heard(5, 1), ['refused'], 1, 0],
  ['capture that is being started again', heard(8, 1), ['lag'], 1, 60_000],
  ['replay that is, after capture', heard(1, 11), ['lag'], 1, 60_000],
  ['no replay that is idle', heard(1, 11), ['refused'], 1, 0],
  ['the comparison', heard(1, 1), ['verification'], 1, 60_000],
  ['an attempt that has a predecessor', heard(1, 1), ['refused'], 2, 60_000],
])('a cutover waits for %s', (_, document, codes, attempt, patienceMs) => {
  expect(choosePatience(document, codes.map(blocker), attempt, now)).toBe(patienceMs);
});
