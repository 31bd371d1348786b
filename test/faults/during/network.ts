import { setTimeout as sleep } from 'node:timers/promises';
import type { Proxy } from '../proxy.js';
import type { Faults } from '../scene.js';
import { Skipped } from '../skipped.js';

/** Longer than the heartbeat timeout. */
const STALL_MS = 12_000;

/** What happens between the worker and the servers. */
export const network: Faults = {
  'connections-cut': {
    proxied: true,
    run: async (scene, dice) => {
      let connections = 0;
      for (let cuts = dice.between(1, 4); cuts > 0; cuts--) {
        for (const proxy of proxiesOf(scene)) connections += proxy.cut();
        await sleep(dice.between(200, 2_000));
      }
      expectSome(connections);
    },
  },

  'connections-stall': {
    proxied: true,
    run: async (scene, dice) => {
      expectSome(await dice.pick(proxiesOf(scene)).stall(STALL_MS));
    },
  },

  'target-slow': {
    proxied: true,
    run: async ({ proxies: { target } }, dice) => {
      if (!target) throw new Skipped('there is no proxy before the target');
      expectSome(await target.slow(dice.between(20, 200), dice.between(8_000, 20_000)));
    },
  },
};

function proxiesOf({ proxies }: { readonly proxies: object }): Proxy[] {
  return Object.values(proxies);
}

/** @throws Skipped when nobody was connected */
function expectSome(hits: number): void {
  if (hits === 0) throw new Skipped('no worker was connected');
}
