import { messageOf } from './message.js';
import type { Program } from './program.js';
import { checkProgram, isAtLeast, onPath } from './program.js';
import type { OnProgress } from './progress.js';

/** A program that may be on the machine already. */
export interface Wanted {
  /** The program's file name, such as `mongod`. */
  readonly name: string;
  /** The environment variable that names its path. */
  readonly variable: string;
  /** The oldest version on PATH that will do, as `[major, minor]`; any when left out. */
  readonly oldest?: readonly [number, number];
}

/**
 * The program that the variable names, else the first on PATH that runs and is new enough.
 *
 * @param onProgress told which one is used, and why one on PATH is passed over
 * @returns `undefined` when there is none
 * @throws Error when the variable names something that does not run: the wish was explicit, so nothing replaces it
 */
export async function findExisting(
  wanted: Wanted,
  onProgress: OnProgress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Program | undefined> {
  const named = env[wanted.variable];
  if (named !== undefined && named !== '') {
    const program = await checkProgram(named).catch((error: unknown) => {
      throw new Error(
        `${wanted.variable} names no usable ${wanted.name}: ${messageOf(error)}; correct it or unset it`,
        { cause: error },
      );
    });
    onProgress(found(wanted, program, `from ${wanted.variable}`));
    return program;
  }

  for (const path of await onPath(wanted.name, env['PATH'])) {
    const program = await checkProgram(path).catch((error: unknown) => {
      onProgress({ what: wanted.name, message: `passed over: ${messageOf(error)}` });
    });
    if (program === undefined) continue;
    if (wanted.oldest === undefined || isAtLeast(program.version, ...wanted.oldest)) {
      onProgress(found(wanted, program, 'from PATH'));
      return program;
    }
    const message = `${path} is version ${program.version}, older than ${wanted.oldest.join('.')}: passed over`;
    onProgress({ what: wanted.name, message });
  }
  return undefined;
}

function found(wanted: Wanted, { path, version }: Program, from: string) {
  return { what: `${wanted.name} ${version}`, message: `${path}, ${from}` };
}
