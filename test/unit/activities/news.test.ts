import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { News } from '../../../src/activities/news.js';
import type { ControlDocument } from '../../../src/mongo/control-document.js';
import { FOLLOW_MS } from '../../../src/mongo/verifier.js';
import { Wakeups } from '../../../src/wake.js';
import { takenAs } from '../../helpers/taken-as.js';

const HOUR = 3_600_000;
const { signal } = new AbortController();

/** The control document of a capture that has put so many changes into the buffer. */
function having(buffered: number) {
  return { document: takenAs<ControlDocument>({ capture: { buffered } }) };
}

it('ends a wait when there are changes, not when the position has moved alone', async () => {
  const wakeups = new Wakeups();
  using news = new News(wakeups.listen('run'));
  expect(news.isHeard).toBe(false);
  wakeups.wake('run', having(1));
  await news.wait(HOUR, signal);
  expect(news.isHeard).toBe(true);

  let isOver = false;
  const waiting = news.wait(HOUR, signal).then(() => (isOver = true));
  for (let wake = 0; wake < 3; wake++) {
    wakeups.wake('run', having(1));
    await new Promise(setImmediate);
  }
  await sleep(2 * FOLLOW_MS);
  expect(isOver).toBe(false);
  wakeups.wake('run', having(2));
  await waiting;
});

it('knows of changes that were made before it waits', async () => {
  const wakeups = new Wakeups();
  using news = new News(wakeups.listen('run'));
  wakeups.wake('run', having(1));
  await news.wait(HOUR, signal);
  wakeups.wake('run', having(2));
  await news.wait(HOUR, signal);
});

it('is not heard any more once nothing was said for long', async () => {
  const wakeups = new Wakeups();
  using news = new News(wakeups.listen('run'));
  wakeups.wake('run', having(1));
  await news.wait(HOUR, signal);
  await news.wait(20, signal);
  expect(news.isHeard).toBe(true);
  await news.wait(5_000, signal);
  expect(news.isHeard).toBe(false);
});
