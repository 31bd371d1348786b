import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Writers } from '../../../demo/writers.js';

describe('the writers', () => {
  it('write at their rate until they are stopped, and leave nothing under way', async () => {
    let under = 0;
    const writers = new Writers(200, async () => {
      under++;
      await sleep(5);
      under--;
    });
    writers.start();
    await writers.began;
    await sleep(1_000);
    await writers.stop();
    expect(under).toBe(0);
    expect(writers.count).toBeGreaterThan(100);
    expect(writers.count).toBeLessThan(260);
    expect(writers.lastAt).toBeGreaterThan(writers.firstAt ?? Infinity);
    const { count } = writers;
    await sleep(50);
    expect(writers.count).toBe(count);
  });

  it('go on after a stop', async () => {
    const writers = new Writers(100, () => sleep(1));
    writers.start();
    await writers.began;
    await writers.stop();
    const { count } = writers;
    writers.start();
    await sleep(200);
    await writers.stop();
    expect(writers.count).toBeGreaterThan(count);
  });

  it('tell of a write that fails', async () => {
    const writers = new Writers(100, () => Promise.reject(new Error('refused')));
    writers.start();
    await expect(writers.failed).rejects.toThrow('refused');
    await writers.stop();
    expect(writers.count).toBe(0);
  });
});
