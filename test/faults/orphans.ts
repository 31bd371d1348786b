import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import { MOVER, type Scene, type Side } from './scene.js';

/** A tool that is ended has 5 s to obey, a server finds after some seconds that a client is gone. */
const PATIENCE_MS = 30_000;

const sides: readonly Side[] = ['source', 'target'];

/**
 * Looks for what is still at work when all workers have ended: processes that they started, and their
 * operations and transactions at the servers. Idle cursors of killed workers are not looked for: the server
 * forgets them with their sessions, after 30 minutes, by itself.
 *
 * @returns what is still there after 30 s, a line each
 */
export async function orphans(scene: Scene): Promise<string[]> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = [...(await processesOf(scene.environment.folder))];
    for (const side of sides) {
      found.push(...(await atWork(scene.client(side))).map((line) => `${side}: ${line}`));
    }
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(500);
  }
}

/** Processes with a folder's path in their environment, as workers' children have it. Only Linux tells. */
async function processesOf(folder: string): Promise<string[]> {
  const ids = await readdir('/proc').catch(() => []);
  const found: string[] = [];
  for (const id of ids.filter((name) => /^\d+$/.test(name))) {
    // One that ends meanwhile is none, one of somebody else's is not ours.
    const environment = await readFile(`/proc/${id}/environ`, 'utf8').catch(() => '');
    if (!environment.includes(folder)) continue;
    const command = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '');
    found.push(`process ${id}: ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}

async function atWork(client: MongoClient): Promise<string[]> {
  const operations = await client
    .db('admin')
    .aggregate(
      [
        { $currentOp: { allUsers: true, idleSessions: true } },
        { $match: { 'effectiveUsers.user': MOVER } },
      ],
      // Their commands may hold what is no UTF-8.
      { enableUtf8Validation: false },
    )
    .toArray();
  return operations.map(({ type, op, ns, command }) =>
    JSON.stringify({ type, op, ns, command }).slice(0, 500),
  );
}
