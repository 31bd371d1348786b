import { describe, expect, it } from 'vitest';
import { Wakeups } from '../../src/wake.js';

const HOUR = 3_600_000;
const never = () => new AbortController().signal;

describe('a wait', () => {
  it('ends when it is woken, and every other for the same migration too', async () => {
    const wakeups = new Wakeups();
    const waits = [wakeups.wait('run', HOUR, never()), wakeups.wait('run', HOUR, never())];
    wakeups.wake('run');
    await expect(Promise.all(waits)).resolves.toHaveLength(2);
  });

  it('is not ended by another migration, but by its time', async () => {
    const wakeups = new Wakeups();
    let ended = false;
    const wait = wakeups.wait('run', HOUR, never()).then(() => (ended = true));
    wakeups.wake('other');
    await new Promise(setImmediate);
    expect(ended).toBe(false);
    wakeups.wake('run');
    await wait;
    await wakeups.wait('run', 1, never());
  });

  it('throws the reason of its signal, before and during', async () => {
    const wakeups = new Wakeups();
    const reason = new Error('cancelled');
    await expect(wakeups.wait('run', HOUR, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const wait = wakeups.wait('run', HOUR, controller.signal);
    controller.abort(reason);
    await expect(wait).rejects.toBe(reason);
  });

  it('leaves nothing behind', async () => {
    const wakeups = new Wakeups();
    for (let index = 0; index < 50; index++) {
      const wait = wakeups.wait('run', HOUR, never());
      wakeups.wake('run');
      await wait;
    }
    wakeups.wake('run'); // Nobody waits: that is no error.
  });
});
