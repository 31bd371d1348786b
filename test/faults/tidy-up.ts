import { rm } from 'node:fs/promises';
import { stopWriters } from './alone/case.js';
import { endFailCommand } from './fail-command.js';
import type { Scene } from './scene.js';

/** Ends all workers in order. */
export async function endWorkers({ workers }: Scene): Promise<void> {
  await Promise.all(workers.splice(0).map((worker) => worker.kill('SIGTERM')));
}

/** Removes what a case has left that did not come to its end: writers, workflows, workers and what they wrote. */
export async function tidyUp(scene: Scene): Promise<void> {
  await stopWriters();
  const { client, targetClient, dumpFolder, temporal } = scene.environment;
  if (temporal.pid === undefined) await temporal.restart();
  for (const side of ['source', 'target'] as const) {
    await endFailCommand(scene.client(side));
  }
  for await (const { workflowId } of client.workflow.list({ query: "ExecutionStatus='Running'" })) {
    // It may end by itself meanwhile.
    await client.workflow
      .getHandle(workflowId)
      .terminate('by a test')
      .catch(() => undefined);
  }
  for (const { process } of scene.workers) process.kill('SIGCONT');
  await endWorkers(scene);
  const shop = targetClient.db('shop');
  for (const { name } of await shop.listCollections({}, { nameOnly: true }).toArray()) {
    if (name.startsWith('cdc')) await shop.dropCollection(name);
  }
  await rm(dumpFolder, { recursive: true, force: true });
}
