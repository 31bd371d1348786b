import { describe, expect, it, vi } from 'vitest';
import type { ControlDocument } from '../../src/mongo/control-document.js';
import { Wakeups } from '../../src/wake.js';
import { takenAs } from '../helpers/taken-as.js';

const HOUR = 3_600_000;
const never = () => new AbortController().signal;

describe('a wait', () => {
  it('ends when it is woken, and that of every other listener to the migration too', async () => {
    const wakeups = new Wakeups();
    const waits = [1, 2].map(() => wakeups.listen('run').wait(HOUR, never()));
    wakeups.wake('run');
    await expect(Promise.all(waits)).resolves.toEqual([{}, {}]);
  });

  it('is not ended by another migration, but by its time', async () => {
    const wakeups = new Wakeups();
    using listener = wakeups.listen('run');
    let ended = false;
    const wait = listener.wait(HOUR, never()).then(() => (ended = true));
    wakeups.wake('other');
    await new Promise(setImmediate);
    expect(ended).toBe(false);
    wakeups.wake('run');
    await wait;
    await expect(listener.wait(1, never())).resolves.toBeUndefined();
  });

  it('ends at once when it was woken before, and only once', async () => {
    const wakeups = new Wakeups();
    using listener = wakeups.listen('run');
    wakeups.wake('run');
    wakeups.wake('run');
    await expect(listener.wait(HOUR, never())).resolves.toEqual({});
    await expect(listener.wait(1, never())).resolves.toBeUndefined();
  });

  it('ends with what it was woken with last', async () => {
    const wakeups = new Wakeups();
    using listener = wakeups.listen('run');
    const documents = [1, 2].map((round) => takenAs<ControlDocument>({ round }));
    for (const document of documents) wakeups.wake('run', { document });
    await expect(listener.wait(HOUR, never())).resolves.toEqual({ document: { round: 2 } });
  });

  it('throws the reason of its signal, before and during', async () => {
    using listener = new Wakeups().listen('run');
    const reason = new Error('cancelled');
    await expect(listener.wait(HOUR, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const wait = listener.wait(HOUR, controller.signal);
    controller.abort(reason);
    await expect(wait).rejects.toBe(reason);
  });

  it('leaves nothing behind', async () => {
    const wakeups = new Wakeups();
    const { signal } = new AbortController();
    using listener = wakeups.listen('run');
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    for (let index = 0; index < 50; index++) {
      const wait = listener.wait(HOUR, signal);
      wakeups.wake('run');
      await wait;
    }
    expect(added).toHaveBeenCalledTimes(50);
    expect(removed).toHaveBeenCalledTimes(50);
    wakeups.wake('other'); // Nobody waits: that is no error.
  });

  it('hears nothing once it is disposed of', async () => {
    const wakeups = new Wakeups();
    const listener = wakeups.listen('run');
    listener[Symbol.dispose]();
    wakeups.wake('run');
    await expect(listener.wait(1, never())).resolves.toBeUndefined();
  });
});
