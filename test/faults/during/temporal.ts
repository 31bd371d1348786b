import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';
import type { Dice } from '../../soak/dice.js';
import type { Faults, Scene } from '../scene.js';
import { Skipped, unlessSkipped, until } from '../skipped.js';
import { type Pending, pendingOf, requestOf } from '../temporal.js';

// Of gRPC, as https://grpc.io/docs/guides/status-codes lists it.
const NOT_FOUND = 5;
/** No signal of a migration. */
const UNKNOWN = 'cutoff';

/** What happens to Temporal, and by its means. */
export const temporal: Faults = {
  'temporal-killed': {
    run: async ({ environment }, dice) => {
      await environment.temporal.kill('SIGKILL');
      if (environment.temporal.pid !== undefined) throw new Error('Temporal lives on');
      await sleep(dice.pick([0, 3_000, 15_000]));
      await environment.temporal.restart();
    },
  },

  'activity-paused': {
    run: async (scene, dice) => {
      const { workflowId, activity } = await anyActivity(scene, dice);
      const asked = requestOf(workflowId, activity);
      const service = scene.environment.client.workflowService;
      await orSkipped(service.pauseActivity(asked));
      const isPaused = async () => (await find(scene, workflowId, activity))?.paused;
      try {
        await unlessSkipped('the activity has ended meanwhile', isPaused);
        await sleep(dice.between(2_000, 8_000));
      } finally {
        await orSkipped(service.unpauseActivity(asked));
      }
      await until('the end of the pause', async () => !(await isPaused()));
    },
  },

  'activity-reset': {
    run: async (scene, dice) => {
      const { workflowId, activity } = await anyActivity(scene, dice);
      const resetHeartbeat = dice.chance(0.5);
      const service = scene.environment.client.workflowService;
      await orSkipped(
        service.resetActivity({ ...requestOf(workflowId, activity), resetHeartbeat }),
      );
      await until('another attempt', async () => {
        const now = await find(scene, workflowId, activity);
        return !now || startOf(now) !== startOf(activity);
      });
    },
  },

  // What another version has left in the heartbeat must not hinder the next attempt.
  'heartbeat-garbage': {
    run: async (scene, dice) => {
      const { workflowId, activity } = await anyActivity(scene, dice);
      await scene.worker.kill('SIGKILL');
      const encoding = Buffer.from('json/plain');
      const data = Buffer.from(dice.pick(['null', '[1,{"next":7}]', '"x"', '{"doing":{}}']));
      const { namespace, identity, id } = requestOf(workflowId, activity);
      try {
        await orSkipped(
          scene.environment.client.workflowService.recordActivityTaskHeartbeatById({
            namespace,
            identity,
            workflowId,
            activityId: id,
            details: { payloads: [{ metadata: { encoding }, data }] },
          }),
        );
        const now = await find(scene, workflowId, activity);
        const [kept] = now?.heartbeatDetails?.payloads ?? [];
        if (now && !data.equals(kept?.data ?? Buffer.of())) throw new Error('it was not kept');
      } finally {
        await scene.startWorker();
      }
    },
  },

  'signals-twice': {
    run: async ({ environment, handles }, dice) => {
      const handle = dice.pick(handles);
      for (const name of ['pause', 'pause', 'resume', 'resume', 'restore', 'restore', UNKNOWN]) {
        await handle.signal(name);
        await sleep(dice.pick([0, 0, 700]));
      }
      await environment.until(handle, 'the rejected message', ({ rejectedMessages }) =>
        rejectedMessages.some(({ message }) => message.includes(UNKNOWN)),
      );
    },
  },

  'copied-anew': {
    run: async ({ environment, handles }, dice) => {
      const handle = dice.pick(handles);
      const { count } = await handle.executeUpdate<{ count: number }, []>('restart');
      // The next fault comes while it is copied, or once it follows the source again.
      if (dice.chance(0.5)) return;
      await environment.until(
        handle,
        'the new copy',
        ({ restarts, phase }) => restarts?.count === count && phase !== 'copying',
      );
    },
  },
};

/** An activity that is under way. @throws Skipped when none is for a while */
async function anyActivity(scene: Scene, dice: Dice) {
  const { workflowId } = dice.pick(scene.handles);
  return unlessSkipped('no activity is under way', async () => {
    const pending = await pendingOf(scene, workflowId);
    return pending.length > 0 && { workflowId, activity: dice.pick(pending) };
  });
}

/** The same activity as it is now, if it is under way still. */
async function find(scene: Scene, workflowId: string, { activityId }: Pending) {
  return (await pendingOf(scene, workflowId)).find((each) => each.activityId === activityId);
}

/** When its current attempt began. */
function startOf({ lastStartedTime, attempt }: Pending): string {
  return `${attempt}: ${lastStartedTime?.seconds?.toString()}.${lastStartedTime?.nanos}`;
}

/** @throws Skipped when the activity has ended meanwhile */
async function orSkipped(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    const code: number | undefined = isGrpcServiceError(error) ? error.code : undefined;
    if (code !== NOT_FOUND) throw error;
    throw new Skipped('the activity has ended meanwhile');
  }
}
