import type { MongoClient } from 'mongodb';
import { failCommand } from '../fail-command.js';
import { type Faults, MOVER, type Scene, type Side } from '../scene.js';
import { expireSessions, openCursors } from '../sessions.js';
import { unlessSkipped, until } from '../skipped.js';

const sides: readonly Side[] = ['source', 'target'];

async function killAndRestart(scene: Scene, side: Side): Promise<void> {
  const set = scene.set(side);
  await set.kill('SIGKILL');
  if (set.members.some(({ pid }) => pid !== undefined)) throw new Error('a mongod lives on');
  await set.restart();
}

/** What happens to servers. */
export const servers: Faults = {
  'source-killed': { hitsSource: true, run: (scene) => killAndRestart(scene, 'source') },
  'target-killed': { run: (scene) => killAndRestart(scene, 'target') },

  'operations-killed': {
    run: (scene) => onBothSides(scene, 'no operation is under way', killOperations),
  },

  'cursors-killed': { run: (scene) => onBothSides(scene, 'no cursor is open', killCursors) },

  'sessions-killed': {
    run: (scene) => onBothSides(scene, 'no session has an open cursor', killSessions),
  },

  'sessions-expire': {
    run: (scene) => onBothSides(scene, 'no session is known', expireSessions),
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
      // Of workers alone: what hits an application shows nothing.
      const failing = await failCommand(
        scene.client(side),
        { times: dice.between(3, 30) },
        { ...how, failCommands: commands, errorLabels: [] },
      );
      try {
        await until('a command that fails', async () => (await failing.hits()) > 0);
      } finally {
        await failing.off();
      }
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

/** Does something at both sides, until at one of them something was hit. @throws Skipped when nothing is */
async function onBothSides(
  scene: Scene,
  reason: string,
  hit: (client: MongoClient) => Promise<number>,
): Promise<void> {
  await unlessSkipped(reason, async () => {
    const hits = [];
    for (const side of sides) hits.push(await hit(scene.client(side)));
    return hits.some((count) => count > 0);
  });
}

/** @returns how many there were */
async function killOperations(client: MongoClient): Promise<number> {
  const admin = client.db('admin');
  const running = admin.aggregate([
    { $currentOp: { allUsers: true } },
    { $match: { ns: /^shop\./, op: { $ne: 'none' }, 'effectiveUsers.user': MOVER } },
    // Their commands may hold what no driver can read.
    { $project: { opid: 1 } },
  ]);
  let killed = 0;
  for await (const { opid } of running) {
    await admin.command({ killOp: 1, op: opid });
    killed += 1;
  }
  return killed;
}

/** @returns how many the server has killed */
async function killCursors(client: MongoClient): Promise<number> {
  let killed = 0;
  for (const { ns, id } of await openCursors(client)) {
    const [db = '', ...collection] = ns.split('.');
    const reply = await client
      .db(db)
      .command({ killCursors: collection.join('.'), cursors: [id] })
      .catch(() => undefined);
    killed += Number(reply?.['cursorsKilled'].length ?? 0);
  }
  return killed;
}

/** @returns how many cursors of theirs have gone with the sessions */
async function killSessions(client: MongoClient): Promise<number> {
  const before = await openCursors(client);
  const users = [{ user: MOVER, db: 'admin' }];
  await client.db('admin').command({ killAllSessions: users });
  const after = new Set((await openCursors(client)).map(({ id }) => String(id)));
  return before.filter(({ id }) => !after.has(String(id))).length;
}
