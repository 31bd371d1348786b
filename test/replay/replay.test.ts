import { readdir, readFile } from 'node:fs/promises';
import proto from '@temporalio/proto';
import { Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleWorkflows, installQuietRuntime } from '../helpers/workflow-environment.js';
import { groupStories, historiesFolder, stories } from './stories.js';
import { pulseSinks } from '../../src/activities/pulse.js';
import { takenAs } from '../helpers/taken-as.js';

// The SDK's own historyFromJSON fails where npm installs protobufjs more than once, as it does here.
const { History } = proto.temporal.api.history.v1;

let workflowBundle: WorkflowBundleWithSourceMap;

beforeAll(async () => {
  installQuietRuntime();
  workflowBundle = await bundleWorkflows();
});

async function readHistory(name: string): Promise<string> {
  return readFile(new URL(`${name}.json`, historiesFolder), 'utf8');
}

/** Replays a history with the present code. @returns what it finds wrong. */
async function replay(name: string, json: string): Promise<Error | undefined> {
  const histories = [
    { workflowId: name, history: History.fromObject(takenAs<object>(JSON.parse(json))) },
  ];
  for await (const { error } of Worker.runReplayHistories(
    { workflowBundle, sinks: pulseSinks },
    histories,
  )) {
    return error;
  }
  throw new Error(`${name} was not replayed`);
}

const names = [
  ...Object.keys(stories),
  ...Object.keys(groupStories).flatMap((name) => [name, `${name}-member`]),
];

describe('recorded histories', () => {
  it.each(names)('the code still takes every step of: %s', async (name) => {
    expect(await replay(name, await readHistory(name))).toBeUndefined();
  });

  it('are all replayed', async () => {
    const files = await readdir(historiesFolder);
    expect(files.toSorted()).toEqual(names.map((name) => `${name}.json`).toSorted());
  });

  it.each([
    ['another step', '"name": "renameStaging"', '"name": "renameCollection"'],
    ['another id', '"activityId": "verify"', '"activityId": "compare"'],
  ])('of other code are found out: %s', async (_what, from, to) => {
    const history = await readHistory('dump');
    const changed = history.replaceAll(from, to);
    expect(changed).not.toBe(history);
    const error = await replay('dump', changed);
    expect(error?.name).toBe('DeterminismViolationError');
  });
});
