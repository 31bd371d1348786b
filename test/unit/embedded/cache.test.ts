import { mkdtemp, readdir, readFile, rm, utimes, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cached, cachedPrograms, cacheFolder, cacheKey } from '../../../embedded/cache.js';

describe('cacheFolder', () => {
  it('follows the system', () => {
    expect(cacheFolder({}, 'linux', '/home/a')).toBe('/home/a/.cache/changestream-migration');
    expect(cacheFolder({}, 'darwin', '/Users/a')).toBe(
      '/Users/a/Library/Caches/changestream-migration',
    );
  });

  it('follows XDG_CACHE_HOME, unless it is relative', () => {
    const absolute = cacheFolder({ XDG_CACHE_HOME: '/c' }, 'darwin', '/Users/a');
    expect(absolute).toBe('/c/changestream-migration');
    const relative = cacheFolder({ XDG_CACHE_HOME: 'c' }, 'linux', '/home/a');
    expect(relative).toBe('/home/a/.cache/changestream-migration');
  });
});

describe('cacheKey', () => {
  it('changes with version, platform and pins', () => {
    const keys = [
      cacheKey('mongod', '6.0.5', 'linux-x64', 'a'),
      cacheKey('mongod', '6.0.6', 'linux-x64', 'a'),
      cacheKey('mongod', '6.0.5', 'linux-arm64', 'a'),
      cacheKey('mongod', '6.0.5', 'linux-x64', 'b'),
    ];
    expect(new Set(keys).size).toBe(4);
    expect(keys[0]).toMatch(/^mongod-6\.0\.5-linux-x64-[0-9a-f]{8}$/);
  });
});

async function makeSlowly(folder: string): Promise<void> {
  await writeFile(join(folder, 'program'), 'x');
  await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('cached', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'cache-test-'));
  });
  afterEach(async () => {
    await rm(root, { recursive: true });
  });

  it('makes a folder once', async () => {
    let made = 0;
    const make = async (folder: string) => {
      made++;
      await writeFile(join(folder, 'program'), 'x');
    };
    const first = await cached('key', make, root);
    const second = await cached('key', make, root);
    expect(second).toBe(first);
    expect(made).toBe(1);
    expect(await readFile(join(first, 'program'), 'utf8')).toBe('x');
    expect(await readdir(root)).toEqual(['key']);
  });

  it('keeps nothing of a failure, and tries again', async () => {
    const failing = cached('key', () => Promise.reject(new Error('no network')), root);
    await expect(failing).rejects.toThrow('no network');
    expect(await readdir(root)).toEqual([]);
    await cached('key', async () => {}, root);
    expect(await readdir(root)).toEqual(['key']);
  });

  it('lets the first of two at once win, and both use its folder', async () => {
    const folders = await Promise.all([
      cached('key', makeSlowly, root),
      cached('key', makeSlowly, root),
    ]);
    expect(folders[0]).toBe(folders[1]);
    expect(await readdir(root)).toEqual(['key']);
  });

  it('removes what a killed process left long ago, and nothing younger', async () => {
    await mkdir(join(root, '.partial-old-1'));
    await mkdir(join(root, '.partial-young-1'));
    await utimes(join(root, '.partial-old-1'), 0, 0);
    await cached('key', async () => {}, root);
    expect((await readdir(root)).toSorted()).toEqual(['.partial-young-1', 'key']);
  });
});

describe('cachedPrograms', () => {
  let root: string;
  let made: number;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'cache-test-'));
    made = 0;
    damaged.mockClear();
  });
  afterEach(async () => {
    await rm(root, { recursive: true });
  });

  const make = async (folder: string) => {
    made++;
    await writeFile(join(folder, 'program'), `#!/bin/sh\necho ${made}.0\n`, { mode: 0o755 });
  };
  const damaged = vi.fn<() => void>();

  it('are made once while they run', async () => {
    await cachedPrograms('key', ['program'], make, damaged, root);
    const folder = await cachedPrograms('key', ['program'], make, damaged, root);
    expect(made).toBe(1);
    expect(folder).toBe(join(root, 'key'));
    expect(damaged).not.toHaveBeenCalled();
  });

  it('are replaced when one does not run any more, and are there meanwhile', async () => {
    const folder = await cachedPrograms('key', ['program'], make, damaged, root);
    await writeFile(join(folder, 'program'), '#!/bin/sh\nexit 3\n');
    const makeAndLook = async (partial: string) => {
      expect(await readdir(folder)).toEqual(['program']);
      await make(partial);
    };
    await cachedPrograms('key', ['program'], makeAndLook, damaged, root);
    expect(damaged).toHaveBeenCalledOnce();
    expect(await readFile(join(folder, 'program'), 'utf8')).toContain('echo 2.0');
    expect(await readdir(root)).toEqual(['key']);
  });
});
