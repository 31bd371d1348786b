import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CaseResults } from '../../bench/table.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csm-bench-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it.each([
  ['copy', ['mongodump | mongorestore', 'direct', 'dump', 'decoded, driver objects']],
  ['capture', ['raw read with updateLookup', 'raw read', 'capture', 'decoded, with updateLookup']],
  ['burst', ['direct']],
])('the bench measures %s, however fast it is', async (name, variants) => {
  const [json, chart] = [join(folder, `${name}.json`), join(folder, `${name}.svg`)];
  const args = ['--import', 'tsx', 'bench/bench.ts', name, '--quick', '--json', json, '--chart', chart]; // prettier-ignore
  const { stdout } = await execa(process.execPath, args);
  expect(stdout).toContain(`## ${name}`);
  const [found] = JSON.parse(await readFile(json, 'utf8')) as CaseResults[];
  expect(found?.results.map((result) => result.name)).toEqual(variants);
  for (const { figures } of found?.results ?? []) {
    expect(figures[found?.figure ?? '']?.median).toBeGreaterThan(0);
  }
  expect(await readFile(chart, 'utf8')).toMatch(/^<svg /);
});
