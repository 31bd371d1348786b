import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient, Timestamp } from 'mongodb';
import { holdCommands } from '../fail-command.js';
import type { Scene } from '../scene.js';
import { type Cases, endsEqual, failsWith, loaded } from './case.js';
import { holdIn } from './in-phase.js';

const DOCUMENT_BYTES = 256 * 1024;
/** Three times an oplog of 16 MB. */
const WRITES = 200;
const MOST_ROUNDS = 20;
/** The oplog has it twice, and takes it; the event has it thrice. */
const LARGE_ID_BYTES = 7 * 1024 * 1024;

/** What happens to the source's history. */
export const history: Cases = {
  // Ordinary tools that follow the oplog after the copy would have lost their place by then.
  'oplog-rolls-over': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      await scene.startWorker();
      const handle = await scene.environment.migrate(items.name, { copy, restore: 'signal' });
      await scene.environment.until(handle, 'waiting', ({ phase }) => phase === 'waiting');
      for (let times = 0; times < 3; times++) await rollOver(scene);
      await handle.signal('restore');
      return endsEqual(scene, items, handle);
    },
  },

  'oplog-rolls-over-during-the-copy': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      const { items, handle, letGo } = await holdIn(scene, 'copying', copy);
      for (let times = 0; times < 3; times++) await rollOver(scene);
      await letGo();
      return endsEqual(scene, items, handle);
    },
  },

  // The source goes on, and what the capture asks it for stays without an answer.
  'stream-stands-still': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      const { items, handle } = await holdIn(scene, 'ready', copy);
      const stream = await holdCommands(scene.client('source'), ['getMore']);
      try {
        await scene.environment.until(handle, 'a stalled capture', ({ stalled }) => stalled);
      } finally {
        await stream.letGo();
      }
      await scene.environment.until(handle, 'a capture that goes on', ({ stalled }) => !stalled);
      return endsEqual(scene, items, handle);
    },
  },

  // Only other collections are written to, until the oplog has nothing left of the time before.
  'idle-for-hours': {
    run: async (scene, _dice, copy) => {
      const items = await loaded(scene);
      const { environment } = scene;
      await scene.startWorker();
      const handle = await environment.migrate(items.name, { copy });
      await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
      await items.writers.stop();
      for (let times = 0; times < 3; times++) await rollOver(scene);
      const idleUntil = await entryTime(scene.client('source'), -1);
      await environment.until(handle, 'the position', ({ positions }) =>
        isAfter(positions.buffered, idleUntil),
      );
      // The next one has nothing but the position to go on from.
      await scene.restartWorker('SIGKILL');
      const collection = scene.client('source').db('shop').collection<{ _id: number }>(items.name);
      await collection.insertOne({ _id: -1 });
      const problems = await endsEqual(scene, items, handle);
      const target = scene.client('target').db('shop').collection<{ _id: number }>(items.name);
      const arrived = await target.countDocuments({ _id: -1 });
      return arrived === 1 ? problems : ['the write is not at the target', ...problems];
    },
  },

  'token-lost': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      const worker = await scene.startWorker();
      const handle = await scene.environment.migrate(name, { copy });
      await scene.environment.until(
        handle,
        'capture',
        ({ captured }) => (captured?.events ?? 0) > 0,
      );
      await worker.kill('SIGKILL');
      for (let times = 0; times < 2; times++) await rollOver(scene);
      await writers.stop();
      await scene.startWorker();
      return failsWith(scene, handle, 'ChangeStreamHistoryLost');
    },
  },

  // A token holds the `_id` in hexadecimal, and no document, not even an event, may be so large.
  'event-too-large': {
    run: async (scene, _dice, copy) => {
      const { name, writers } = await loaded(scene);
      await scene.startWorker();
      const handle = await scene.environment.migrate(name, { copy });
      await scene.environment.until(
        handle,
        'capture',
        ({ captured }) => (captured?.events ?? 0) > 0,
      );
      await writers.stop();
      const items = scene.client('source').db('shop').collection<{ _id: string }>(name);
      await items.insertOne({ _id: 'x'.repeat(LARGE_ID_BYTES) });
      return failsWith(scene, handle, 'ChangeEventTooLarge');
    },
  },
};

/** Writes until the oldest entry of the source's oplog is newer than what is the newest one now. */
async function rollOver(scene: Scene): Promise<void> {
  const client = scene.client('source');
  const newest = await entryTime(client, -1);
  const text = 'x'.repeat(DOCUMENT_BYTES);
  const filler = client.db('filler').collection('filler');
  for (let rounds = 0; rounds < MOST_ROUNDS; rounds++) {
    for (let writes = 0; writes < WRITES; writes++) await filler.insertOne({ text });
    await filler.deleteMany({});
    // Beyond the last checkpoint nothing is removed.
    await sleep(2_000);
    if ((await entryTime(client, 1)).greaterThan(newest)) return;
  }
  throw new Error('the oplog of the source does not roll over');
}

async function entryTime(client: MongoClient, order: 1 | -1): Promise<Timestamp> {
  const oplog = client.db('local').collection<{ ts: Timestamp }>('oplog.rs');
  const [entry] = await oplog.find().sort({ $natural: order }).limit(1).toArray();
  if (!entry) throw new Error('the oplog is empty');
  return entry.ts;
}

/** Whether a position is at a time of the oplog, or behind it. */
function isAfter(position: string | undefined, { t }: Timestamp): boolean {
  return position !== undefined && Date.parse(position) >= t * 1000;
}
