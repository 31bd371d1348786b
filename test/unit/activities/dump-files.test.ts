import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { dumpFile, removeDumps } from '../../../src/activities/dump-files.js';
import { dumpFolderOf, makeDumpFolder } from '../../../src/dump-folders.js';
import { options } from '../../helpers/migration.js';

let deps: { readonly dumpFolder: string };

beforeEach(async () => {
  deps = { dumpFolder: await mkdtemp(join(tmpdir(), 'csm-dumps-')) };
});

afterEach(async () => {
  await rm(deps.dumpFolder, { recursive: true, force: true });
});

it('have names of their own in each round', () => {
  const name = (round: number | undefined, gzip: boolean) => {
    const given = { runId: 'run', options: { ...options, gzip }, ...(round && { round }) };
    const file = dumpFile(deps, given, 7);
    expect(dirname(file)).toBe(dumpFolderOf(deps.dumpFolder, 'run'));
    return basename(file);
  };
  expect(name(undefined, false)).toBe('partition-7.bson');
  expect(name(undefined, true)).toBe('partition-7.bson.gz');
  expect(name(1, false)).toBe('copy-1-partition-7.bson');
  expect(name(12, true)).toBe('copy-12-partition-7.bson.gz');
});

it('of earlier rounds are removed, and no others', async () => {
  const owner = { workflowId: 'migrate', runId: 'run', namespace: 'default' };
  const folder = await makeDumpFolder(deps.dumpFolder, owner);
  // Killed workers leave these.
  for (const name of ['private-1', 'partition-0.bson.gz.1', 'copy-2-partition-3.bson.gz.1']) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'file'), '');
  }
  const names = ['partition-0.bson', 'copy-1-partition-0.bson', 'copy-2-partition-1.bson.gz'];
  for (const name of [...names, 'copy-10-partition-0.bson'])
    await writeFile(join(folder, name), '');
  await removeDumps(deps, 'run', 2);
  expect((await readdir(folder)).toSorted()).toEqual([
    'copy-10-partition-0.bson',
    'copy-2-partition-1.bson.gz',
    'copy-2-partition-3.bson.gz.1',
    'owner.json',
  ]);
  await removeDumps(deps, 'nowhere', 2);
});
