import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findExisting } from '../../../embedded/existing.js';
import type { Progress } from '../../../embedded/progress.js';
import { checkProgram, isAtLeast, onPath, versionIn } from '../../../embedded/program.js';

describe('versionIn', () => {
  it.each([
    ['db version v6.0.5\nBuild Info: {}', '6.0.5'],
    ['temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)', '1.9.1'],
    ['go version go1.26.8 linux/amd64', '1.26.8'],
    ['mongodump version: 100.9.5\ngit version: abc', '100.9.5'],
    ['mongodump version: 0.0.0-20240724183527-6d4f001be3fc', '0.0.0-20240724183527-6d4f001be3fc'],
    [
      'mongodump version: built-without-version-string\n',
      'mongodump version: built-without-version-string',
    ],
  ])('reads %j', (answer, version) => {
    expect(versionIn(answer)).toBe(version);
  });
});

describe('isAtLeast', () => {
  it.each([
    ['6.0.5', 4, 4, true],
    ['4.4.2', 4, 4, true],
    ['4.2.24', 4, 4, false],
    ['3.6.23', 4, 4, false],
    ['10.0.0', 4, 4, true],
    ['unknown', 0, 0, false],
  ])('%s is at least %i.%i: %s', (version, major, minor, expected) => {
    expect(isAtLeast(version, major, minor)).toBe(expected);
  });
});

describe('programs on the machine', () => {
  let dir: string;
  const wanted = { name: 'server', variable: 'SERVER_BIN', oldest: [4, 4] as const };
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'program-test-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  async function program(name: string, script: string, mode = 0o755): Promise<string> {
    const path = join(dir, name);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, mode);
    return path;
  }

  it('are found on PATH when they may be executed', async () => {
    const path = await program('server', 'true');
    await program('text', 'true', 0o644);
    expect(await onPath('server', `/nowhere:${dir}`)).toEqual([path]);
    expect(await onPath('text', dir)).toEqual([]);
  });

  it('say why they do not run', async () => {
    const path = await program('server', 'echo "libssl.so.3: no such file" >&2; exit 127');
    await expect(checkProgram(path)).rejects.toThrow('libssl.so.3: no such file');
    await expect(checkProgram(join(dir, 'missing'))).rejects.toThrow('missing does not run');
  });

  it('are taken from the variable first', async () => {
    await program('server', 'echo v5.0.0');
    const named = await program('other', 'echo v1.2.3');
    const found = await findExisting(wanted, () => {}, { PATH: dir, SERVER_BIN: named });
    expect(found).toEqual({ path: named, version: '1.2.3' });
  });

  it('are never replaced when the variable names a broken one', async () => {
    await program('server', 'echo v5.0.0');
    const env = { PATH: dir, SERVER_BIN: join(dir, 'missing') };
    await expect(findExisting(wanted, () => {}, env)).rejects.toThrow(/SERVER_BIN .* unset it/);
  });

  it('are passed over on PATH, with a word, when they are old or broken', async () => {
    const said: Progress[] = [];
    const tell = (progress: Progress) => void said.push(progress);
    await program('server', 'echo v4.2.0');
    expect(await findExisting(wanted, tell, { PATH: dir })).toBeUndefined();
    await program('server', 'exit 1');
    expect(await findExisting(wanted, tell, { PATH: dir })).toBeUndefined();
    expect(said.map(({ message }) => message)).toEqual([
      expect.stringContaining('older than 4.4'),
      expect.stringContaining('does not run'),
    ]);
  });
});
