import type { WorkflowHandle } from '@temporalio/client';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import type { Scene } from '../scene.js';
import { type Case, type Cases, isEqual, nothingLeft } from './case.js';
import { type Held, type HeldPhase, heldPhases, holdIn } from './in-phase.js';

type Copy = Parameters<Case['run']>[2];

/** More than any buffer here takes. */
const LIMIT = 50_000_000_000;

/** Signals that end nothing, in the order in which they are sent, and what the status says of them then. */
const messages: readonly {
  readonly name: string;
  readonly payload: object;
  readonly isTaken: (status: MigrationStatus, phase: HeldPhase) => boolean;
}[] = [
  { name: 'pause', payload: {}, isTaken: ({ paused }) => paused },
  { name: 'resume', payload: {}, isTaken: ({ paused }) => !paused },
  {
    name: 'tune',
    payload: { maxBufferBytes: LIMIT },
    isTaken: ({ settings }) => settings.maxBufferBytes === LIMIT,
  },
  { name: 'restore', payload: {}, isTaken: ({ phase }) => phase !== 'waiting' },
  {
    name: 'cutover',
    payload: {},
    isTaken: ({ lastRefusal, openedAt }, phase) =>
      phase === 'ready' ? openedAt !== null : lastRefusal !== null,
  },
];

/** Every signal twice, in every phase. */
export const doubled: Cases = {
  'signals-twice-in-each-phase': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      const problems: string[] = [];
      for (const phase of heldPhases) {
        const found = await goesOn(scene, phase, copy);
        problems.push(...found.map((problem) => `${phase}: ${problem}`));
      }
      return problems;
    },
  },

  'aborted-twice-in-each-phase': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      const problems: string[] = [];
      for (const phase of heldPhases) {
        const found = await isAborted(scene, await holdIn(scene, phase, copy));
        problems.push(...found.map((problem) => `${phase}: ${problem}`));
      }
      return problems;
    },
  },
};

/** Sends all that ends nothing, twice, and lets the migration come to its end. */
async function goesOn(scene: Scene, phase: HeldPhase, copy: Copy): Promise<string[]> {
  const { items, handle, letGo } = await holdIn(scene, phase, copy);
  const { environment } = scene;
  try {
    // What is written after the fence is nobody's.
    if (phase === 'ready') await items.writers.stop();
    for (const { name, payload, isTaken } of messages) {
      await twice(handle, name, payload);
      await environment.until(handle, `${name} in ${phase}`, (status) => isTaken(status, phase));
    }
    const { rejectedMessages } = await environment.status(handle);
    if (rejectedMessages.length > 0) return rejectedMessages.map(({ message }) => message);
  } finally {
    await letGo();
  }
  const isOver = phase === 'ready' || phase === 'cuttingOver';
  if (!isOver) await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  await items.writers.stop();
  const status = isOver ? await handle.result() : await environment.cutOver(handle);
  const problems = await isEqual(scene, items.name, status as MigrationStatus);
  const isRefused = await handle.signal('resume').then(
    () => false,
    () => true,
  );
  return isRefused ? problems : ['one that has ended takes a signal', ...problems];
}

async function isAborted(scene: Scene, { items, handle, letGo }: Held): Promise<string[]> {
  const { environment } = scene;
  try {
    await twice(handle, 'abort', { dropTarget: true });
    const { phase, openedAt, left } = (await handle.result()) as MigrationStatus;
    const there = await scene.client('target').db('shop').listCollections().toArray();
    return [
      ...(phase === 'aborted' ? [] : [`it is ${phase}`]),
      ...(openedAt === null ? [] : ['the target is open']),
      ...(left?.length === 0 ? [] : [`it says that it has left ${String(left)}`]),
      ...(there.some(({ name }) => name === items.name) ? ['the target collection is there'] : []),
      ...(await nothingLeft(environment)),
    ];
  } finally {
    await letGo();
    await items.writers.stop();
  }
}

async function twice(handle: WorkflowHandle, name: string, payload: object): Promise<void> {
  await Promise.all([handle.signal(name, payload), handle.signal(name, payload)]);
}
