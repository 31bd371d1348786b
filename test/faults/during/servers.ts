import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import { type Faults, MOVER, type Scene, type Side } from '../scene.js';

const sides: readonly Side[] = ['source', 'target'];

async function killAndRestart(scene: Scene, side: Side): Promise<void> {
  await scene.set(side).kill('SIGKILL');
  await scene.set(side).restart();
}

/** What happens to servers. */
export const servers: Faults = {
  'source-killed': { hitsSource: true, run: (scene) => killAndRestart(scene, 'source') },
  'target-killed': { run: (scene) => killAndRestart(scene, 'target') },

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
    // Their commands may hold what no driver can read.
    { $project: { opid: 1 } },
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
        { $project: { ns: 1, 'cursor.cursorId': 1 } },
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
