import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** How names of tools' private folders begin. */
export const PRIVATE = 'private-';

/**
 * Where a tool's private folder is: beside the file that it writes or reads. A worker that is killed
 * together with all that watches its tools leaves the folder behind, and there a sweep finds it.
 */
export function privatePrefix(file: string): string {
  return join(dirname(file), PRIVATE);
}

const CONFIG_FILE = 'config.yaml';

/** Runs `work` with a new folder that only this user can enter (0700), and removes it after. */
export async function withPrivateFolder<Result>(
  work: (folder: string) => Promise<Result>,
  prefix: string,
): Promise<Result> {
  const folder = await mkdtemp(prefix);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Writes the connection string into a file for `--config` and returns its path. Never into an
 * argument: every user of the machine can read those.
 */
export async function writeConfigFile(folder: string, uri: string): Promise<string> {
  return writePrivateFile(join(folder, CONFIG_FILE), `uri: ${yamlString(uri)}\n`);
}

/** Removes what `writeConfigFile` has written, once the tool has read it. */
export async function removeConfigFile(folder: string): Promise<void> {
  await rm(join(folder, CONFIG_FILE), { force: true });
}

/** Writes a new file that only this user can read (0600). */
export async function writePrivateFile(path: string, text: string): Promise<string> {
  await writeFile(path, text, { mode: 0o600, flag: 'wx' });
  return path;
}

/** `text` as a double-quoted YAML scalar of printable ASCII, which every YAML version reads alike. */
export function yamlString(text: string): string {
  const escaped = Array.from(text, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0x20 && code < 0x7f) return character;
    return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
  });
  return `"${escaped.join('')}"`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
