import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDumpFolder, sweepDumps } from '../../src/dump-folders.js';

let dumps = '';

beforeEach(async () => {
  dumps = await mkdtemp(join(tmpdir(), 'dump-folders-'));
});

afterEach(async () => {
  await rm(dumps, { recursive: true, force: true });
});

async function make(runId: string, namespace = 'ours'): Promise<string> {
  const folder = await makeDumpFolder(dumps, { workflowId: `migrate:${runId}`, runId, namespace });
  await writeFile(join(folder, 'partition-0.bson'), 'data');
  return folder;
}

/** Sweeps where Temporal knows these runs, and whether they are open. */
async function sweep(runs: Readonly<Record<string, boolean>>): Promise<string[]> {
  const isRunning = async (workflowId: string, runId: string) => {
    expect(workflowId).toBe(`migrate:${runId}`);
    return runs[runId];
  };
  return sweepDumps({ dumps, namespace: 'ours', isRunning });
}

describe('a sweep of dump folders', () => {
  it('removes those of runs that are over, and no other', async () => {
    const open = await make('open');
    await make('over');
    await make('elsewhere', 'theirs');
    await mkdir(join(dumps, 'somebody'));
    expect(await sweep({ open: true, over: false, elsewhere: false })).toEqual(['over']);
    expect((await readdir(dumps)).toSorted()).toEqual(['elsewhere', 'open', 'somebody']);
    expect(((await stat(open)).mode & 0o777).toString(8)).toBe('700');
  });

  it('removes what a tool of an open run had for itself, once it has read it', async () => {
    const folder = await make('open');
    for (const name of ['private-old', 'private-new']) await mkdir(join(folder, name));
    await writeFile(join(folder, 'private-old', 'config.yaml'), 'uri: secret');
    const old = new Date(Date.now() - 11 * 60_000);
    for (const name of ['private-old', 'partition-0.bson']) {
      await utimes(join(folder, name), old, old);
    }
    expect(await sweep({ open: true })).toEqual([]);
    expect((await readdir(folder)).toSorted()).toEqual([
      'owner.json',
      'partition-0.bson',
      'private-new',
    ]);
  });

  it('keeps those of runs that Temporal does not know for a week', async () => {
    const folder = await make('unknown');
    expect(await sweep({})).toEqual([]);
    const old = new Date(Date.now() - 8 * 24 * 3600 * 1000);
    await utimes(folder, old, old);
    expect(await sweep({})).toEqual(['unknown']);
  });

  it('removes nothing that says it is of another run than its folder', async () => {
    const folder = await make('one');
    await makeDumpFolder(dumps, { workflowId: 'migrate:two', runId: 'two', namespace: 'ours' });
    await writeFile(
      join(folder, 'owner.json'),
      JSON.stringify({ workflowId: 'migrate:two', runId: 'two', namespace: 'ours' }),
    );
    expect(await sweep({ one: false, two: true })).toEqual([]);
  });

  it('has nothing to do where there is no folder', async () => {
    await rm(dumps, { recursive: true });
    expect(await sweep({})).toEqual([]);
  });
});
