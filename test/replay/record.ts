/**
 * Records the histories that test/replay/replay.test.ts replays:
 * `node --import tsx test/replay/record.ts [name …]`.
 *
 * They stand for migrations that run at the moment when somebody deploys a new worker. Record one
 * again only when no migration of its kind can be running any more, or when it is new: with the code
 * that is deployed, never with a change that fails the replay. Such a change needs `patched()`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import type proto from '@temporalio/proto';
import type { migrateCollections } from '../../src/workflows/index.js';
import { groupFakes, RunningGroup } from '../helpers/running-group.js';
import { WorkflowEnvironment } from '../helpers/workflow-environment.js';
import { groupNames, groupStories, historiesFolder, stories } from './stories.js';

const sides = { source: 'source', target: 'target', copy: 'direct' } as const;
type History = proto.temporal.api.history.v1.IHistory;

const wanted = process.argv.slice(2);
await mkdir(historiesFolder, { recursive: true });
const environment = await WorkflowEnvironment.start();
for (const [name, { fakes, input, follow }] of Object.entries(stories)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const activities = fakes();
  const history = await environment.run(activities, input, async (running) => {
    await follow(running, activities);
    return running.handle.fetchHistory();
  });
  await keep(name, history);
}
for (const [name, { input, follow }] of Object.entries(groupStories)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const { client } = environment;
  const payload = { ...sides, namespaces: groupNames, ...input };
  const histories = await environment.runWorkflow<typeof migrateCollections, History[]>(
    'migrateCollections',
    groupFakes(client),
    payload,
    async (handle) => {
      const group = new RunningGroup(client, handle);
      await follow(group);
      const member = group.child(groupNames[0]);
      return [await handle.fetchHistory(), await member.fetchHistory()];
    },
  );
  const [group = {}, member = {}] = histories;
  await keep(name, group);
  await keep(`${name}-member`, member);
}

await environment[Symbol.asyncDispose]();
// The client's connection would keep the process alive.
process.exit();

async function keep(name: string, history: History): Promise<void> {
  await writeFile(
    new URL(`${name}.json`, historiesFolder),
    `${JSON.stringify(history, withoutStacks, 2)}\n`,
  );
  process.stdout.write(`${name}: ${history.events?.length ?? 0} events\n`);
}

/** A stack holds the paths of the machine on which it was recorded, and replay does not need it. */
function withoutStacks(key: string, value: unknown): unknown {
  return key === 'stackTrace' ? '' : value;
}
