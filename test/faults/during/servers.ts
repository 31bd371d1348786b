import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import { type Faults, MOVER, type Scene, type Side } from '../scene.js';

/** Longer than an election takes (4 s without a heartbeat). */
const ELECTION_MS = 10_000;

const sides: readonly Side[] = ['source', 'target'];

async function killAndRestart(scene: Scene, side: Side): Promise<void> {
  await scene.set(side).kill('SIGKILL');
  await scene.set(side).restart();
}

/** What happens to servers. */
export const servers: Faults = {
  'source-killed': { hitsSource: true, run: (scene) => killAndRestart(scene, 'source') },
  'target-killed': { run: (scene) => killAndRestart(scene, 'target') },

  'target-steps-down': {
    members: 3,
    run: async (scene) => {
      const primary = await scene.set('target').primary();
      await scene.onMember(primary, async (client) => {
        await client.db('admin').command({ replSetStepDown: 20, force: true });
      });
      await scene.set('target').primary();
    },
  },

  'target-primary-killed': {
    members: 3,
    run: async (scene) => {
      const primary = await scene.set('target').primary();
      await primary.kill('SIGKILL');
      await scene.set('target').primary();
      await primary.start();
    },
  },

  // What the primary took and nobody else has heard of is taken back when it returns.
  'target-rolls-back': {
    members: 3,
    run: async (scene) => {
      const set = scene.set('target');
      const primary = await set.primary();
      const others = set.members.filter((member) => member !== primary);
      const stopReading = (mode: 'alwaysOn' | 'off') =>
        Promise.all(
          others.map((member) =>
            scene.onMember(member, (client) =>
              client.db('admin').command({ configureFailPoint: 'stopReplProducer', mode }),
            ),
          ),
        );
      await stopReading('alwaysOn');
      // It takes what is written meanwhile, and acknowledges nothing of it by majority.
      await sleep(4_000);
      await primary.kill('SIGKILL');
      await stopReading('off');
      await set.primary();
      await primary.start();
      await sleep(ELECTION_MS);
    },
  },

  'operations-killed': {
    run: async (scene) => {
      for (const side of sides) await killOperations(scene.client(side));
    },
  },

  'cursors-killed': {
    run: async (scene) => {
      for (const side of sides) await killCursors(scene.client(side));
    },
  },

  'sessions-killed': {
    run: async (scene) => {
      for (const side of sides) {
        const users = [{ user: MOVER, db: 'admin' }];
        await scene.client(side).db('admin').command({ killAllSessions: users });
      }
    },
  },

  'commands-fail': {
    hitsSource: true,
    run: async (scene, dice) => {
      const side = dice.pick(sides);
      // NotWritablePrimary, ExceededTimeLimit, InterruptedDueToReplStateChange, and a cut connection.
      const how = dice.pick([
        { errorCode: 10107 },
        { errorCode: 262 },
        { errorCode: 11602 },
        { closeConnection: true },
      ]);
      await scene
        .client(side)
        .db('admin')
        .command({
          configureFailPoint: 'failCommand',
          mode: { times: dice.between(3, 30) },
          data: { ...how, failCommands: [...commands], errorLabels: [] },
        });
      await sleep(5_000);
      await scene
        .client(side)
        .db('admin')
        .command({ configureFailPoint: 'failCommand', mode: 'off' });
    },
  },
};

const commands = [
  'aggregate',
  'find',
  'getMore',
  'insert',
  'update',
  'delete',
  'findAndModify',
  'commitTransaction',
] as const;

async function killOperations(client: MongoClient): Promise<void> {
  const admin = client.db('admin');
  const running = admin.aggregate([
    { $currentOp: { allUsers: true } },
    { $match: { ns: /^shop\./, op: { $ne: 'none' } } },
  ]);
  for await (const { opid } of running) {
    await admin.command({ killOp: 1, op: opid }).catch(() => undefined);
  }
}

async function killCursors(client: MongoClient): Promise<void> {
  const open = client
    .db('admin')
    .aggregate(
      [
        { $currentOp: { allUsers: true, idleCursors: true } },
        { $match: { 'cursor.cursorId': { $exists: true } } },
      ],
      { promoteLongs: false },
    );
  for await (const { ns, cursor } of open) {
    const [db = '', ...collection] = String(ns).split('.');
    await client
      .db(db)
      .command({ killCursors: collection.join('.'), cursors: [cursor.cursorId] })
      .catch(() => undefined);
  }
}
