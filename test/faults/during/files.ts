import { readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Faults, MOVER, type Scene } from '../scene.js';

const ROLES = ['readWrite', 'dbAdmin'].map((role) => ({ role, db: 'shop' }));

/** What happens to files and users. */
export const files: Faults = {
  'dumps-broken': {
    run: async (scene, dice) => {
      for (const file of await dumpFiles(scene)) {
        if (dice.chance(0.5)) await rm(file, { force: true });
        else await halve(file).catch(() => undefined);
      }
    },
  },

  'user-revoked': {
    run: async (scene, dice) => {
      const admin = scene.client(dice.pick(['source', 'target'] as const)).db('admin');
      await admin.command({ revokeRolesFromUser: MOVER, roles: ROLES });
      await sleep(dice.between(2_000, 8_000));
      await admin.command({ grantRolesToUser: MOVER, roles: ROLES });
    },
  },
};

async function dumpFiles({ environment }: Scene): Promise<string[]> {
  const names = await readdir(environment.dumpFolder, { recursive: true }).catch(() => []);
  return names
    .filter((name) => /\.bson(\.gz)?$/.test(name))
    .map((name) => join(environment.dumpFolder, name));
}

async function halve(file: string): Promise<void> {
  await truncate(file, Math.floor((await stat(file)).size / 2));
}
