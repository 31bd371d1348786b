import { expireSessions, openCursors } from '../sessions.js';
import type { Scene } from '../scene.js';
import { until } from '../skipped.js';
import { type Cases, endsEqual } from './case.js';
import { type HeldPhase, holdIn } from './in-phase.js';

/** What happens to sessions that are not used for long. */
export const idleSessions: Cases = {
  // A slow comparison, or a slow copy from server to server, leaves its cursors alone between two reads.
  'sessions-expired': {
    run: async (scene, _dice, copy) => {
      await scene.startWorker();
      const phases: readonly HeldPhase[] =
        copy === 'direct' ? ['copying', 'replaying'] : ['replaying'];
      const problems: string[] = [];
      for (const phase of phases) {
        const { items, handle, letGo } = await holdIn(scene, phase, copy);
        await until(`a cursor that is closed in ${phase}`, () => expires(scene));
        await letGo();
        problems.push(...(await endsEqual(scene, items, handle)));
      }
      return problems;
    },
  },
};

/** Lets the sessions at the source expire. @returns whether an open cursor has gone with one */
async function expires(scene: Scene): Promise<boolean> {
  const client = scene.client('source');
  const before = await openCursors(client);
  await expireSessions(client);
  const after = new Set((await openCursors(client)).map(({ id }) => String(id)));
  return before.some(({ id, isIdle }) => isIdle && !after.has(String(id)));
}
