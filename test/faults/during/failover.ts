import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, Faults, Scene, Side } from '../scene.js';

/** Longer than an election takes (4 s without a heartbeat). */
const ELECTION_MS = 10_000;

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
  await scene.set(side).primary();
}

async function killPrimary(scene: Scene, side: Side): Promise<void> {
  const primary = await scene.set(side).primary();
  await primary.kill('SIGKILL');
  await scene.set(side).primary();
  await primary.start();
}

// What the primary took and nobody else has heard of is taken back when it returns.
async function rollBack(scene: Scene, side: Side): Promise<void> {
  const set = scene.set(side);
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
