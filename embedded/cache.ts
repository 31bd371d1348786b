import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { checkProgram, Unanswered } from './program.js';

const APP = 'changestream-migration';
const TEMPORARY = '.partial-';
const STALE_MS = 24 * 60 * 60 * 1000;

/**
 * The folder that keeps obtained programs for this user: `$XDG_CACHE_HOME/changestream-migration`, else
 * `~/.cache/changestream-migration`, on macOS `~/Library/Caches/changestream-migration`.
 */
export function cacheFolder(
  env: NodeJS.ProcessEnv = process.env,
  os: string = process.platform,
  home: string = homedir(),
): string {
  // A relative XDG_CACHE_HOME is to be ignored, says the XDG specification.
  const xdg = env['XDG_CACHE_HOME'];
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, APP);
  return os === 'darwin' ? join(home, 'Library', 'Caches', APP) : join(home, '.cache', APP);
}

/** `<name>-<version>-<platform>-<8 hex digits of the pins>`: a change of pins obtains anew, also at the same version. */
export function cacheKey(name: string, version: string, platform: string, pins: string): string {
  const digest = createHash('sha256').update(pins).digest('hex').slice(0, 8);
  return `${name}-${version}-${platform}-${digest}`;
}

/**
 * The folder `key` of the cache, filled by `make` when it is not there yet. It appears whole or not at all: `make` fills a
 * temporary sibling, which is renamed. When two processes do it at once, the first to finish wins and both use its folder.
 *
 * @param make fills the folder it is given; when it throws, nothing is kept and the error passes through
 * @returns the folder's path
 */
export async function cached(
  key: string,
  make: (folder: string) => Promise<void>,
  root: string = cacheFolder(),
): Promise<string> {
  const folder = join(root, key);
  if (await isFolder(folder)) return folder;
  await makeAside(key, make, root, (partial) =>
    rename(partial, folder).catch(async (error: unknown) => {
      if (!(await isFolder(folder))) throw error;
    }),
  );
  return folder;
}

/**
 * The programs `names` of the folder `key`, made anew when one of them does not run any more: it ran when it was put there, so
 * something damaged it since, or the system changed below it. Each is replaced by a rename, for another process may be about to
 * start it; one that is only slow to answer is left alone.
 *
 * @param onDamaged told before they are made anew
 * @returns the folder's path
 * @throws Error of `make`
 */
export async function cachedPrograms(
  key: string,
  names: readonly string[],
  make: (folder: string) => Promise<void>,
  onDamaged: () => void,
  root: string = cacheFolder(),
): Promise<string> {
  const folder = await cached(key, make, root);
  try {
    for (const name of names) await checkProgram(join(folder, name));
  } catch (error) {
    if (error instanceof Unanswered) return folder;
    onDamaged();
    await makeAside(key, make, root, async (partial) => {
      for (const name of names) await rename(join(partial, name), join(folder, name));
    });
  }
  return folder;
}

async function makeAside(
  key: string,
  make: (folder: string) => Promise<void>,
  root: string,
  take: (partial: string) => Promise<void>,
): Promise<void> {
  await mkdir(root, { recursive: true });
  await removeStale(root);
  const partial = join(root, `${TEMPORARY}${key}-${randomBytes(6).toString('hex')}`);
  await mkdir(partial);
  try {
    await make(partial);
    await take(partial);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

// What a killed process left behind; a younger folder may be another process at work.
async function removeStale(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    if (!name.startsWith(TEMPORARY)) continue;
    const path = join(root, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) {
      await rm(path, { recursive: true, force: true });
    }
  }
}
