import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Environment } from './environment.js';
import { loadItems } from './writers.js';

const CSM = fileURLToPath(new URL('../../dist/cli/csm.js', import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 500 } as const;

let environment: Environment;

beforeAll(async () => {
  environment = await Environment.start();
  await loadItems(environment.sourceClient, 'items', 1_000);
});

afterAll(async () => {
  await environment?.stop();
});

async function csm(...args: string[]): Promise<string> {
  const { address } = environment.temporal;
  const { stdout } = await execa(process.execPath, [CSM, ...args, '--address', address]);
  return stdout;
}

/** Workflow ids that Temporal finds. */
async function find(query: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { workflowId } of environment.client.workflow.list({ query })) {
    ids.push(workflowId);
  }
  return ids;
}

it('finds migrations by phase, collection and problem once it is set up', async () => {
  expect(await csm('setup')).toContain('registered: CsmPhase');
  expect(await csm('setup')).toBe(
    'there before: CsmPhase, CsmNamespace, CsmSource, CsmTarget, CsmProblem',
  );
  const worker = environment.startWorker();
  const handle = await environment.migrate('items');
  await environment.until(handle, 'ready', ({ mayCutOver }) => mayCutOver);
  const mine = [handle.workflowId];
  await expect.poll(() => find(`CsmPhase = 'ready' AND CsmNamespace = 'shop.items'`), PATIENCE).toEqual(mine); // prettier-ignore
  expect(await find('CsmProblem IS NOT NULL')).toEqual([]);

  const replay = {
    namespace: 'default',
    execution: { workflowId: handle.workflowId },
    id: 'replay',
    identity: 'test',
  };
  const service = environment.client.workflowService;
  await service.pauseActivity(replay);
  await expect.poll(() => find(`CsmProblem = 'replay is paused'`), PATIENCE).toEqual(mine);
  await service.unpauseActivity(replay);
  await expect.poll(() => find('CsmProblem IS NOT NULL'), PATIENCE).toEqual([]);

  await environment.cutOver(handle);
  await expect.poll(() => find(`CsmPhase = 'completed'`), PATIENCE).toEqual(mine);
  await worker.kill('SIGTERM');
});
