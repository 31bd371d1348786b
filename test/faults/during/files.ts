import { readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Faults, MOVER, type Scene } from '../scene.js';
import { Skipped, until } from '../skipped.js';

/** How a missing privilege is told. */
const NAMED = /lacks a privilege: not authorized on shop\S* to execute \w+/;
const ROLES = ['readWrite', 'dbAdmin'].map((role) => ({ role, db: 'shop' }));

/** What happens to files and users. */
export const files: Faults = {
  'dumps-broken': {
    dumps: true,
    run: async (scene, dice) => {
      await until('a dump file', async () => {
        const broken = [];
        for (const file of await dumpFiles(scene)) {
          broken.push(await (dice.chance(0.5) ? remove(file) : halve(file)));
        }
        if (broken.includes(true)) return true;
        if (!(await isCopying(scene)))
          throw new Skipped('no dump file was seen before all was copied');
        return false;
      });
    },
  },

  'user-revoked': {
    run: async (scene, dice) => {
      const side = dice.pick(['source', 'target'] as const);
      const admin = scene.client(side).db('admin');
      await admin.command({ revokeRolesFromUser: MOVER, roles: ROLES });
      try {
        await until(`a problem that names the privilege at the ${side}`, async () => {
          const problems = await problemsOf(scene);
          return problems.some((what) => NAMED.test(what));
        });
        await sleep(dice.between(0, 5_000));
      } finally {
        await admin.command({ grantRolesToUser: MOVER, roles: ROLES });
      }
      await until('the end of the problem', async () => {
        const problems = await problemsOf(scene);
        return !problems.some((what) => NAMED.test(what));
      });
    },
  },
};

/** What hinders the migrations now. */
async function problemsOf({ environment, handles }: Scene): Promise<string[]> {
  const statuses = await Promise.all(handles.map((handle) => environment.status(handle)));
  return statuses.flatMap(({ problem }) => problem?.what ?? []);
}

/** Whether a migration has still to copy something. */
async function isCopying({ environment, handles }: Scene): Promise<boolean> {
  const statuses = await Promise.all(handles.map((handle) => environment.status(handle)));
  return statuses.some(({ phase }) => ['preflight', 'copying', 'waiting'].includes(phase));
}

async function dumpFiles({ environment }: Scene): Promise<string[]> {
  const names = await readdir(environment.dumpFolder, { recursive: true }).catch(() => []);
  return names
    .filter((name) => /\.bson(\.gz)?$/.test(name))
    .map((name) => join(environment.dumpFolder, name));
}

/** @returns whether there was something to remove */
async function remove(file: string): Promise<boolean> {
  // Its restore may have ended by now.
  return rm(file).then(...yesOrNo);
}

/** @returns whether there was something to cut */
async function halve(file: string): Promise<boolean> {
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  if (size === 0) return false;
  return truncate(file, Math.floor(size / 2)).then(...yesOrNo);
}

const yesOrNo = [() => true, () => false] as const;
