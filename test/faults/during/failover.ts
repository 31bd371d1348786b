import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import type { Member } from '../../../embedded/index.js';
import type { Fault, Faults, Scene, Side } from '../scene.js';
import { unlessSkipped, until } from '../skipped.js';

/** What of the migrations a primary has taken, on its own or in a transaction. */
const OF_MIGRATIONS = { $or: [{ ns: /^shop\./ }, { 'o.applyOps.ns': /^shop\./ }] };
/** Within this time what a primary has taken is in its journal (100 ms). */
const JOURNAL_MS = 1_000;

function at(side: Side, run: (scene: Scene, side: Side) => Promise<void>): Fault {
  return {
    failover: side,
    ...(side === 'source' && { hitsSource: true }),
    run: (scene) => run(scene, side),
  };
}

async function stepDown(scene: Scene, side: Side): Promise<void> {
  const primary = await scene.set(side).primary();
  await scene.onMember(primary, async (client) => {
    await client.db('admin').command({ replSetStepDown: 20, force: true });
  });
  await expectOther(scene, side, primary);
}

async function killPrimary(scene: Scene, side: Side): Promise<void> {
  const primary = await scene.set(side).primary();
  await primary.kill('SIGKILL');
  await expectOther(scene, side, primary);
  await primary.start();
}

/** @throws Error when the primary is the one that it was */
async function expectOther(scene: Scene, side: Side, before: Member): Promise<void> {
  if ((await scene.set(side).primary()) === before) throw new Error('it is the primary still');
}

// What the primary took and nobody else has heard of is taken back when it returns.
async function rollBack(scene: Scene, side: Side): Promise<void> {
  const set = scene.set(side);
  const primary = await set.primary();
  const others = set.members.filter((member) => member !== primary);
  const rollbacks = await countRollbacks(scene, primary);
  const goOn = () => Promise.all(others.map((member) => stopReading(scene, member, 'off')));
  try {
    await Promise.all(others.map((member) => stopReading(scene, member, 'alwaysOn')));
    await unlessSkipped(`the migrations write nothing to the ${side}`, () =>
      scene.onMember(primary, hasUnshared),
    );
    await sleep(JOURNAL_MS);
    await primary.kill('SIGKILL');
  } finally {
    await goOn();
  }
  await expectOther(scene, side, primary);
  await primary.start();
  await until(`a rollback at the ${side}`, async () => {
    const isBack = (await primary.hello().catch(() => undefined))?.['secondary'] === true;
    // A member that begins to roll back closes all connections to it.
    const counted = isBack
      ? await countRollbacks(scene, primary).catch(() => undefined)
      : undefined;
    return counted !== undefined && counted > rollbacks;
  });
}

/** Stops a secondary's reading of the primary's oplog, or lets it go on. */
async function stopReading(scene: Scene, member: Member, mode: 'alwaysOn' | 'off'): Promise<void> {
  await scene.onMember(member, async (client) => {
    const admin = client.db('admin');
    const { count } = await admin.command({ configureFailPoint: 'stopReplProducer', mode });
    if (mode === 'off') return;
    // From then on it takes nothing more.
    const waitForFailPoint = 'stopReplProducer';
    await admin.command({ waitForFailPoint, timesEntered: count + 1, maxTimeMS: 30_000 });
  });
}

/** Whether a primary has something of the migrations that the majority has not. */
async function hasUnshared(client: MongoClient): Promise<boolean> {
  const { optimes } = await client.db('admin').command({ replSetGetStatus: 1 });
  const oplog = client.db('local').collection('oplog.rs');
  const ts = { $gt: optimes.lastCommittedOpTime.ts };
  const found = await oplog.findOne({ ts, ...OF_MIGRATIONS }, { projection: { ts: 1 } });
  return found !== null;
}

/** How often a member has taken something back, and some more. */
function countRollbacks(scene: Scene, member: Member): Promise<number> {
  return scene.onMember(member, async (client) => {
    const { rbid } = await client.db('admin').command({ replSetGetRBID: 1 });
    return Number(rbid);
  });
}

/** What happens to sets of three members. */
export const failover: Faults = {
  'source-steps-down': at('source', stepDown),
  'source-primary-killed': at('source', killPrimary),
  'source-rolls-back': at('source', rollBack),
  'target-steps-down': at('target', stepDown),
  'target-primary-killed': at('target', killPrimary),
  'target-rolls-back': at('target', rollBack),
};
