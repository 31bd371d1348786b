import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Cleanup } from '../../../demo/cleanup.js';

function parts() {
  const stopped: string[] = [];
  const part = (name: string) => ({ name, stop: async () => void stopped.push(name) });
  return { stopped, part };
}

describe('the cleanup', () => {
  it('stops the last part first, once', async () => {
    const { stopped, part } = parts();
    const cleanup = new Cleanup();
    await cleanup.own(() => part('first'));
    await cleanup.own(() => part('second'));
    await Promise.all([cleanup.run(), cleanup.run()]);
    expect(stopped).toEqual(['second', 'first']);
  });

  it('waits for what is only about to start', async () => {
    const { stopped, part } = parts();
    const cleanup = new Cleanup();
    const started = cleanup.own(async () => {
      await sleep(50);
      return part('slow');
    });
    await cleanup.run();
    expect(stopped).toEqual(['slow']);
    await expect(started).resolves.toMatchObject({ name: 'slow' });
  });

  it('starts nothing any more', async () => {
    const { part } = parts();
    const cleanup = new Cleanup();
    await cleanup.run();
    let started = false;
    const late = cleanup.own(() => {
      started = true;
      return part('late');
    });
    await expect(late).rejects.toThrow('ending');
    expect(started).toBe(false);
  });

  it('stops the rest when one part fails, and says so', async () => {
    const { stopped, part } = parts();
    const cleanup = new Cleanup();
    await cleanup.own(() => part('first'));
    await cleanup.own(() => ({ stop: () => Promise.reject(new Error('stuck')) }));
    await cleanup.own(() => Promise.reject(new Error('never started'))).catch(() => {});
    await expect(cleanup.run()).rejects.toThrow('stuck');
    expect(stopped).toEqual(['first']);
  });
});
