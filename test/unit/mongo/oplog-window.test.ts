import { MongoClient, MongoServerError, Timestamp, type Db, type Document } from 'mongodb';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { probeWindow } from '../../../src/mongo/oplog-window.js';

const NOW = 1_800_000_000;
const HOUR = 3600;
const client = new MongoClient('mongodb://127.0.0.1:1/');

afterAll(() => client.close());

/** A database whose server holds history of so many seconds. */
function holding(seconds: number, slow = false): { db: Db; probes: number[] } {
  const db = client.db('shop');
  const probes: number[] = [];
  vi.spyOn(db, 'command').mockImplementation(async (command: Document) => {
    if (!('aggregate' in command)) return { ok: 1 };
    const start: Timestamp = command['pipeline'][0].$changeStream.startAtOperationTime;
    const age = NOW - start.getHighBitsUnsigned();
    probes.push(age);
    if (age > seconds) throw new MongoServerError({ message: 'lost', code: 286 });
    if (slow) throw new MongoServerError({ message: 'slow', code: 50 });
    return { cursor: { id: 0, firstBatch: [] } };
  });
  return { db, probes };
}

describe('the window of history', () => {
  const now = new Timestamp({ t: NOW, i: 7 });

  it.each([90, HOUR / 2, 5 * HOUR, 24 * HOUR, 30 * 24 * HOUR])('of %i s is found', async (held) => {
    const { db, probes } = holding(held);
    const { hours, atLeast } = await probeWindow(db, 'orders', now);
    expect(atLeast).toBe(false);
    expect(hours * HOUR).toBeLessThanOrEqual(held);
    expect(hours * HOUR).toBeGreaterThan(held * 0.97);
    expect(probes.length).toBeLessThanOrEqual(12);
  });

  it('of more than a month is not measured further', async () => {
    const { db, probes } = holding(100 * 24 * HOUR);
    expect(await probeWindow(db, 'orders', now)).toEqual({ hours: 744, atLeast: true });
    expect(probes).toHaveLength(1);
  });

  it('of less than a minute is none', async () => {
    expect(await probeWindow(holding(30).db, 'orders', now)).toEqual({ hours: 0, atLeast: false });
  });

  it('is found where streams take longer than a probe may', async () => {
    const { hours } = await probeWindow(holding(5 * HOUR, true).db, 'orders', now);
    expect(hours).toBeGreaterThan(4.8);
  });

  it('is unknown when the server refuses', async () => {
    const { db } = holding(0);
    const refusal = new MongoServerError({ message: 'not authorized', code: 13 });
    vi.spyOn(db, 'command').mockRejectedValue(refusal);
    await expect(probeWindow(db, 'orders', now)).rejects.toBe(refusal);
  });
});
