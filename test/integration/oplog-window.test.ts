import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient, type Timestamp } from 'mongodb';
import { expect, it } from 'vitest';
import { startReplicaSet } from '../../embedded/index.js';
import { probeWindow } from '../../src/mongo/oplog-window.js';

it('sees that a server has removed old history', async () => {
  // An oplog is cut at checkpoints: one every second instead of every minute.
  await using server = await startReplicaSet({
    name: 'short',
    oplogSizeMB: 16,
    args: ['--syncdelay', '1'],
  });
  await using client = await MongoClient.connect(server.uri);
  const db = client.db('shop');
  const window = async () => {
    const { operationTime }: { operationTime?: Timestamp } = await db.command({ ping: 1 });
    if (!operationTime) throw new Error('no operation time');
    return probeWindow(db, 'orders', operationTime);
  };
  expect(await window()).toEqual({ hours: 744, atLeast: true });
  const documents = Array.from({ length: 1000 }, () => ({ text: 'x'.repeat(1000) }));
  await expect
    .poll(
      async () => {
        await db.collection('other').insertMany(documents.map((each) => ({ ...each })));
        await sleep(50);
        return window();
      },
      { timeout: 60_000, interval: 10 },
    )
    .toEqual({ hours: 0, atLeast: false });
}, 120_000);
