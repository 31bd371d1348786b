import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findTools } from '../../../src/tools/find-tools.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'find-tools-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function program(name: string, output: string, status = 0): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\necho '${output}'\nexit ${status}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('findTools', () => {
  it('finds both on PATH', async () => {
    await program('mongodump', 'mongodump version: 100.9.5');
    await program('mongorestore', 'mongorestore version 100.12.2 (linux)');
    expect(await findTools({ PATH: `/nowhere::${folder}` })).toEqual({
      mongodump: join(folder, 'mongodump'),
      mongorestore: join(folder, 'mongorestore'),
      versions: 'mongodump 100.9.5, mongorestore 100.12.2',
    });
  });

  it('prefers the variables', async () => {
    await program('mongodump', 'mongodump version: on path');
    const other = await program('my-dump', 'mongodump version: 100.9.5');
    const restore = await program('my-restore', 'mongorestore version: 100.9.5');
    const env = { PATH: folder, MONGODUMP_BIN: other, MONGORESTORE_BIN: restore };
    expect(await findTools(env)).toMatchObject({ mongodump: other, mongorestore: restore });
  });

  it('lists all that is missing, and how to get it', async () => {
    const finding = findTools({ PATH: folder });
    await expect(finding).rejects.toThrow('mongodump is not on PATH; mongorestore is not on PATH');
    await expect(finding).rejects.toThrow('Install the MongoDB Database Tools');
  });

  it('says which variable is wrong', async () => {
    const broken = await program('broken', 'mongodump version: 1', 3);
    const other = await program('other', 'ls (GNU coreutils) 9.1');
    const finding = findTools({ MONGODUMP_BIN: broken, MONGORESTORE_BIN: other });
    await expect(finding).rejects.toThrow(`MONGODUMP_BIN=${broken} cannot be run`);
    await expect(finding).rejects.toThrow(`MONGORESTORE_BIN=${other} is not mongorestore`);
    await expect(findTools({ MONGODUMP_BIN: '/nowhere/x' })).rejects.toThrow('ENOENT');
  });
});
