import type { WorkflowHandle } from '@temporalio/client';
import type { Phase } from '../../../src/workflows/phases.js';
import { holdCommands } from '../fail-command.js';
import type { Scene, Side } from '../scene.js';
import { type Items, loaded } from './case.js';

/** A phase in which a migration can be kept. */
export type HeldPhase = Exclude<Phase, 'completed' | 'aborted' | 'failed'>;

/** In the order of the story; the cutover has not opened the target. */
export const heldPhases: readonly HeldPhase[] = [
  'preflight',
  'copying',
  'waiting',
  'replaying',
  'ready',
  'cuttingOver',
];

/** A migration that stays in a phase until it is let go. */
export interface Held {
  readonly items: Items;
  readonly handle: WorkflowHandle;
  /** Lets it go on, also when it has ended. */
  readonly letGo: () => Promise<void>;
}

/** Documents per second: a minute and more for a case's collection. */
const SLOW = 50;

/**
 * Starts a migration, which begins and stays in a phase: by means of its own where it has them, and else by a
 * server that lets a command of it wait. A worker has to be there. Writers go on but for the cutover.
 */
export async function holdIn(
  scene: Scene,
  phase: HeldPhase,
  copy: 'dump' | 'direct',
): Promise<Held> {
  const items = await loaded(scene);
  const start = (options = {}) => scene.environment.migrate(items.name, { copy, ...options });
  switch (phase) {
    case 'preflight':
      return held(scene, phase, items, await holding(scene, 'source', ['listCollections']), start);
    case 'copying':
      return copy === 'direct'
        ? slowed(scene, phase, items, start, 'copyDocumentsPerSecond')
        : held(scene, phase, items, await holding(scene, 'source', ['find'], 'mongodump'), start);
    case 'waiting': {
      const handle = await start({ restore: 'signal' });
      const letGo = () => ifRunning(handle, () => handle.signal('restore'));
      return arrived(scene, phase, { items, handle, letGo });
    }
    case 'replaying':
      return slowed(scene, phase, items, start, 'verifyDocumentsPerSecond');
    case 'ready':
      return arrived(scene, phase, { items, handle: await start(), letGo: async () => {} });
    case 'cuttingOver': {
      const handle = await start();
      await scene.environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
      await items.writers.stop();
      return held(scene, phase, items, await holding(scene, 'target', ['collMod']), async () => {
        await handle.signal('cutover');
        return handle;
      });
    }
    default:
      return phase satisfies never;
  }
}

/** Does something unless a migration has ended. */
async function ifRunning(handle: WorkflowHandle, run: () => Promise<unknown>): Promise<void> {
  if ((await handle.describe()).status.name === 'RUNNING') await run();
}

async function arrived(scene: Scene, wanted: HeldPhase, migration: Held): Promise<Held> {
  await scene.environment.until(migration.handle, wanted, ({ phase }) => phase === wanted);
  return migration;
}

function holding(scene: Scene, side: Side, commands: readonly string[], appName?: string) {
  return holdCommands(scene.client(side), commands, appName);
}

async function held(
  scene: Scene,
  phase: HeldPhase,
  items: Items,
  { isHeld, letGo }: Awaited<ReturnType<typeof holdCommands>>,
  start: () => Promise<WorkflowHandle>,
): Promise<Held> {
  const handle = await start();
  await isHeld();
  return arrived(scene, phase, { items, handle, letGo });
}

async function slowed(
  scene: Scene,
  phase: HeldPhase,
  items: Items,
  start: (options: object) => Promise<WorkflowHandle>,
  rate: 'copyDocumentsPerSecond' | 'verifyDocumentsPerSecond',
): Promise<Held> {
  const handle = await start({ [rate]: SLOW });
  const letGo = () =>
    ifRunning(handle, () => handle.executeUpdate('tune', { args: [{ [rate]: null }] }));
  return arrived(scene, phase, { items, handle, letGo });
}
