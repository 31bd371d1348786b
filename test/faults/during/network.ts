import { setTimeout as sleep } from 'node:timers/promises';
import type { Proxy } from '../proxy.js';
import type { Faults } from '../scene.js';

/** Longer than the heartbeat timeout. */
const STALL_MS = 12_000;

/** What happens between the worker and the servers. */
export const network: Faults = {
  'connections-cut': {
    run: async (scene, dice) => {
      for (let cuts = dice.between(1, 4); cuts > 0; cuts--) {
        for (const proxy of proxiesOf(scene)) proxy.cut();
        await sleep(dice.between(200, 2_000));
      }
    },
  },

  'connections-stall': {
    run: async (scene, dice) => {
      await dice.pick(proxiesOf(scene)).stall(STALL_MS);
    },
  },
};

function proxiesOf({ proxies }: { readonly proxies: object }): Proxy[] {
  return Object.values(proxies);
}
