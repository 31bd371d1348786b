import { afterEach, expect, it } from 'vitest';
import type { LoadCase, LoadOptions } from '../load/case.js';
import { backlog } from '../load/cases/backlog.js';
import { changes } from '../load/cases/changes.js';
import { many } from '../load/cases/many.js';
import { outrun } from '../load/cases/outrun.js';
import { Environment } from './environment.js';

/** The short forms of `npm run test:load`, which CONTRIBUTING.md explains. */
let environment: Environment | undefined;

afterEach(async () => {
  await environment?.stop();
  environment = undefined;
});

it.each<[string, LoadCase, Partial<LoadOptions>]>([
  ['many changes', changes, { changes: 60_000, documents: 5_000 }],
  ['a long buffer', backlog, { changes: 60_000, documents: 5_000 }],
  ['many migrations in one worker', many, { migrations: 5, changes: 10_000, documents: 500 }],
  ['a source faster than its target', outrun, { changes: 40_000, documents: 5_000 }],
])('ends equal: %s', async (_what, chosen, options) => {
  environment = await Environment.start({ ...chosen.environment, patienceMs: 120_000 });
  const lines: string[] = [];
  const { problems } = await chosen.run(environment, { ...chosen.defaults, ...options }, (line) =>
    lines.push(line),
  );
  expect(problems, lines.join('\n')).toEqual([]);
});
