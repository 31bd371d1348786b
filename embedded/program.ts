import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { execa } from 'execa';

const ANSWER_MS = 20_000;

/** A program that was found to run. */
export interface Program {
  readonly path: string;
  /** As `--version` says it, such as `6.0.5`; the first line of its answer when it names no version. */
  readonly version: string;
}

/** Every file of that name on PATH that may be executed, in PATH's order. */
export async function onPath(name: string, path = process.env['PATH'] ?? ''): Promise<string[]> {
  const found: string[] = [];
  for (const folder of path.split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    const file = join(folder, name);
    if (await isExecutable(file)) found.push(file);
  }
  return found;
}

/** A program that was started and had not answered in time: slow, and not damaged. */
export class Unanswered extends Error {}

/**
 * Runs `<path> --version`.
 *
 * @throws Error with the program's own words, when it does not start or fails
 * @throws Unanswered when it takes longer than 20 seconds
 */
export async function checkProgram(path: string, args = ['--version']): Promise<Program> {
  const run = await execa(path, args, {
    reject: false,
    timeout: ANSWER_MS,
    stdin: 'ignore',
    all: true,
  });
  if (run.timedOut) throw new Unanswered(`${path} does not answer within ${ANSWER_MS / 1000} s`);
  if (run.failed) {
    const said =
      run.all.trim().split('\n').slice(-3).join(' ') || (run.originalMessage ?? run.shortMessage);
    throw new Error(`${path} does not run: ${said}`);
  }
  return { path, version: versionIn(run.all) };
}

/** The first thing in a `--version` answer that looks like a version, without a leading `v`; else its first line. */
export function versionIn(answer: string): string {
  const version = /\b(?:v|go)?(\d+\.\d+(?:\.\d+)?(?:-[\w.-]+)?)/.exec(answer)?.[1];
  return version ?? answer.trim().split('\n')[0] ?? '';
}

/** Whether `version` (`6.0.5`) is at least `major.minor`. A version that cannot be read is not. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const parts = /^(\d+)\.(\d+)/.exec(version);
  if (parts === null) return false;
  const found = Number(parts[1]);
  return found > major || (found === major && Number(parts[2]) >= minor);
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
