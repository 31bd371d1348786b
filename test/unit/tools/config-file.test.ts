import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withPrivateFolder, writeConfigFile, yamlString } from '../../../src/tools/config-file.js';

const prefix = join(tmpdir(), 'config-file-test-');
const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('withPrivateFolder', () => {
  it('lets only this user in, and is gone after', async () => {
    const file = await withPrivateFolder(async (folder) => {
      expect(await mode(folder)).toBe(0o700);
      const path = await writeConfigFile(folder, 'mongodb://u:p@h/');
      expect(await mode(path)).toBe(0o600);
      expect(await readFile(path, 'utf8')).toBe('uri: "mongodb://u:p@h/"\n');
      return path;
    }, prefix);
    expect(existsSync(dirname(file))).toBe(false);
  });

  it('is gone after a failure, too', async () => {
    let seen = '';
    const failed = withPrivateFolder(async (folder) => {
      seen = folder;
      await writeConfigFile(folder, 'mongodb://h/');
      throw new Error('no');
    }, prefix);
    await expect(failed).rejects.toThrow('no');
    expect(existsSync(seen)).toBe(false);
  });
});

describe('yamlString', () => {
  it.each([
    ['plain', '"plain"'],
    ['a"b\\c', String.raw`"a\"b\\c"`],
    ["it's: #not & a *comment", `"it's: #not & a *comment"`],
    ['tab\tnewline\nnul\0', String.raw`"tab\u0009newline\u000anul\u0000"`],
    ['ü\u007f\u0085\u2028', String.raw`"\u00fc\u007f\u0085\u2028"`],
    ['😀', String.raw`"\U0001f600"`],
  ])('%j', (text, expected) => {
    expect(yamlString(text)).toBe(expected);
  });
});
