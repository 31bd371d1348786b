import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';
import type { Dice } from '../../soak/dice.js';
import type { Faults, Scene } from '../scene.js';

// Of gRPC, as https://grpc.io/docs/guides/status-codes lists it.
const NOT_FOUND = 5;

/** What happens to Temporal, and by its means. */
export const temporal: Faults = {
  'temporal-killed': {
    run: async ({ environment }, dice) => {
      await environment.temporal.kill('SIGKILL');
      await sleep(dice.pick([0, 3_000, 15_000]));
      await environment.temporal.restart();
    },
  },

  'activity-paused': {
    run: async (scene, dice) => {
      const { namespace, execution, id } = await anyActivity(scene, dice);
      if (id === undefined) return;
      const service = scene.environment.client.workflowService;
      await service.pauseActivity({ namespace, execution, id, identity: 'faults' });
      await sleep(dice.between(2_000, 8_000));
      await service.unpauseActivity({ namespace, execution, id, identity: 'faults' });
    },
  },

  'activity-reset': {
    run: async (scene, dice) => {
      const { namespace, execution, id } = await anyActivity(scene, dice);
      if (id === undefined) return;
      const service = scene.environment.client.workflowService;
      const resetHeartbeat = dice.chance(0.5);
      await service.resetActivity({ namespace, execution, id, identity: 'faults', resetHeartbeat });
    },
  },

  // What another version has left in the heartbeat must not hinder the next attempt.
  'heartbeat-garbage': {
    run: async (scene, dice) => {
      const { namespace, execution, id } = await anyActivity(scene, dice);
      if (id === undefined) return;
      await scene.worker.kill('SIGKILL');
      const encoding = Buffer.from('json/plain');
      const data = Buffer.from(dice.pick(['null', '[1,{"next":7}]', '"x"', '{"doing":{}}']));
      try {
        await scene.environment.client.workflowService.recordActivityTaskHeartbeatById({
          namespace,
          workflowId: execution.workflowId,
          activityId: id,
          identity: 'faults',
          details: { payloads: [{ metadata: { encoding }, data }] },
        });
      } catch (error) {
        // It has ended meanwhile.
        const code: number | undefined = isGrpcServiceError(error) ? error.code : undefined;
        if (code !== NOT_FOUND) throw error;
      }
      await scene.startWorker();
    },
  },

  'signals-twice': {
    run: async ({ handles }, dice) => {
      const handle = dice.pick(handles);
      for (const name of ['pause', 'pause', 'resume', 'resume', 'restore', 'restore', 'cutoff']) {
        await handle.signal(name);
        await sleep(dice.pick([0, 0, 700]));
      }
    },
  },
};

async function anyActivity({ environment, handles }: Scene, dice: Dice) {
  const { workflowId } = dice.pick(handles);
  const { raw } = await environment.client.workflow.getHandle(workflowId).describe();
  const ids = (raw.pendingActivities ?? []).flatMap(({ activityId }) => activityId ?? []);
  const id = ids.length > 0 ? dice.pick(ids) : undefined;
  return { namespace: 'default', execution: { workflowId }, id };
}
