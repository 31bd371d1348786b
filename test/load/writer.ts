import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { ChangeLane, type Item } from './changes.js';
import type { FromWriter, ToWriter, WriterOptions } from './writers.js';

/** The program that `Writers` runs: makes changes in a process of its own. */

const IDLE_MS = 20;
const TELL_MS = 100;

let allowed = 0;
let made = 0;
let claimed = 0;

process.on('message', (message: ToWriter) => {
  if ('allow' in message) allowed = Math.max(allowed, message.allow);
  else {
    void write(message).catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  }
});
// The parent is gone, and with it the servers.
process.once('disconnect', orphaned);

async function write(options: WriterOptions): Promise<void> {
  const client = new MongoClient(options.uri, { maxPoolSize: options.lanes });
  const telling = setInterval(() => tell(), TELL_MS);
  await Promise.all(
    Array.from({ length: options.lanes }, (_, lane) => fill(client, options, lane)),
  );
  clearInterval(telling);
  await client.close();
  process.off('disconnect', orphaned);
  process.send?.({ made } satisfies FromWriter, () => process.disconnect());
}

function orphaned(): never {
  process.exit(1);
}

async function fill(client: MongoClient, options: WriterOptions, index: number): Promise<void> {
  const { collections, changes, lanes, documents, perBulk, perSecond } = options;
  const lane = new ChangeLane(index, lanes, documents);
  const startedAt = performance.now();
  for (let bulk = index; claimed < changes; bulk++) {
    const due = perSecond === undefined ? Infinity : ((performance.now() - startedAt) / 1000) * perSecond; // prettier-ignore
    const length = Math.min(perBulk, changes - claimed, allowed - claimed);
    if (length <= 0 || claimed + length > due) {
      await sleep(IDLE_MS);
      bulk--;
      continue;
    }
    claimed += length;
    const name = collections[bulk % collections.length] ?? '';
    const operations = lane.bulk(name, length);
    await client.db('shop').collection<Item>(name).bulkWrite(operations, { ordered: false });
    made += length;
  }
}

function tell(): void {
  process.send?.({ made } satisfies FromWriter);
}
