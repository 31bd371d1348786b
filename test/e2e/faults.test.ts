import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FaultOptions } from '../faults/options.js';
import { runCases, runSchedule } from '../faults/run.js';
import { Scene } from '../faults/scene.js';

/** The short form of `npm run test:faults`, which CONTRIBUTING.md explains. */
const OPTIONS: FaultOptions = {
  seed: 1,
  minutes: 0.1,
  copy: 'direct',
  documents: 1_000,
  rate: 100,
  members: 1,
  sourceMembers: 1,
  alone: false,
};

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.start({ members: { source: 1, target: 1 }, patienceMs: 200_000 });
});

afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
});

it('ends equal although connections are cut and operations killed', async () => {
  const lines: string[] = [];
  const options = { ...OPTIONS, only: ['connections-cut', 'operations-killed'] };
  const { problems, report } = await runSchedule(scene, options, (line) => lines.push(line));
  expect(problems, lines.join('\n')).toEqual([]);
  expect(report.happened.length).toBeGreaterThan(0);
});

it('ends equal although the worker dies before it has recorded what it copied', async () => {
  const options = { ...OPTIONS, only: ['dies-at-partition-copied'] };
  const { problems, happened } = await runCases(scene, options, () => undefined);
  expect(problems).toEqual([]);
  expect(happened).toEqual(options.only);
});

it('tells apart what it cannot show', async () => {
  const options = { ...OPTIONS, only: ['dump-lost'] };
  const { problems, happened, skipped } = await runCases(scene, options, () => undefined);
  expect({ problems, happened }).toEqual({ problems: [], happened: [] });
  expect(skipped).toEqual(['dump-lost: a direct copy has no dump files']);
});
