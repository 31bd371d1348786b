import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeConfigFile } from '../../../src/tools/config-file.js';
import { runTool, type ToolRun } from '../../../src/tools/process.js';
import type { ToolLine } from '../../../src/tools/progress.js';

let folder = '';
let lines: ToolLine[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'process-'));
  await mkdir(join(folder, 'private'));
  lines = [];
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** A stand-in for a tool, which writes its process id into the file `pid` first. */
async function program(script: string): Promise<string> {
  const path = join(folder, 'tool');
  await writeFile(path, `#!/bin/sh\necho $$ > ${folder}/pid\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

function running(changes: Partial<ToolRun> & Pick<ToolRun, 'binary'>): ReturnType<typeof runTool> {
  return runTool({
    arguments: [],
    privateFolder: join(folder, 'private'),
    signal: new AbortController().signal,
    secrets: [],
    onLine: (line) => lines.push(line),
    ...changes,
  });
}

const pidOf = (): number => Number(readFileSync(join(folder, 'pid'), 'utf8'));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('runTool', () => {
  it('connects standard input and output to files, and passes arguments as they are', async () => {
    await writeFile(join(folder, 'in'), 'input\n');
    const input = await open(join(folder, 'in'), 'r');
    const output = await open(join(folder, 'out'), 'w');
    const binary = await program('cat; printf "[%s]" "$@"; [ -e /dev/fd/3 ] && echo leak');
    const exit = await running({
      binary,
      arguments: ['a b', '$(id)', '"', '', 'new\nline'],
      stdin: input.fd,
      stdout: output.fd,
    });
    await Promise.all([input.close(), output.close()]);
    expect(exit).toEqual({ exitCode: 1, signal: undefined, stderrTail: [] });
    expect(await readFile(join(folder, 'out'), 'utf8')).toBe('input\n[a b][$(id)]["][][new\nline]');
  });

  it('removes the configuration file when the tool has begun to work, and nothing else', async () => {
    const privateFolder = join(folder, 'private');
    const configFile = await writeConfigFile(privateFolder, 'mongodb://u:p@h');
    await writeFile(join(privateFolder, 'query'), '{}');
    const binary = await program(
      `echo "writing shop.orders to -" >&2; sleep 0.3; cat ${configFile}; ` +
        `echo "shop.orders  101" >&2; ` +
        `while [ -e ${configFile} ]; do sleep 0.05; done; cat ${join(privateFolder, 'query')}`,
    );
    const output = await open(join(folder, 'out'), 'w');
    await expect(running({ binary, stdout: output.fd })).resolves.toMatchObject({ exitCode: 0 });
    await output.close();
    expect(await readFile(join(folder, 'out'), 'utf8')).toBe('uri: "mongodb://u:p@h"\n{}');
  });

  it('reads every line, and keeps the last twenty without secrets', async () => {
    const binary = await program(
      'i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo "line $i of 7" >&2; done; ' +
        'echo "dumped 7 documents" >&2; echo "continuing through error: 7" >&2; exit 3',
    );
    const exit = await running({ binary, secrets: ['7'] });
    expect(exit.exitCode).toBe(3);
    expect(exit.stderrTail).toHaveLength(20);
    expect(exit.stderrTail.slice(-3)).toEqual([
      'line 30 of ***',
      'dumped *** documents',
      'continuing through error: ***',
    ]);
    expect(lines).toHaveLength(32);
    expect(lines.slice(-2)).toEqual([
      { kind: 'dumped', documents: 7 },
      { kind: 'refused', message: '***' },
    ]);
  });

  it("keeps the worker's own secrets out of the tool's environment", async () => {
    vi.stubEnv('MONGODB_URI_SOURCE', 'mongodb://u:p@h');
    vi.stubEnv('TEMPORAL_API_KEY', 'key');
    vi.stubEnv('KEPT', 'kept');
    const binary = await program('env >&2');
    vi.stubEnv('LINES', '');
    const { stderrTail } = await running({ binary });
    expect(stderrTail.join('\n')).not.toMatch(/MONGODB_URI|TEMPORAL_/);
  });

  it('tells a missing program by its exit code', async () => {
    const exit = await running({ binary: join(folder, 'nowhere') });
    expect(exit.exitCode).toBe(127);
    expect(exit.stderrTail.join('\n')).toContain('nowhere');
  });

  it('tells a tool that somebody else killed', async () => {
    const exit = await running({ binary: await program('kill -KILL $$') });
    expect(exit).toMatchObject({ exitCode: undefined, signal: 'SIGKILL' });
  });

  it('does not start when it is cancelled before', async () => {
    const signal = AbortSignal.abort(new Error('cancelled early'));
    await expect(running({ binary: await program(''), signal })).rejects.toThrow('cancelled early');
    expect(existsSync(join(folder, 'pid'))).toBe(false);
  });

  it('ends the tool on cancellation, and settles once it is gone', async () => {
    const controller = new AbortController();
    const run = running({
      binary: await program('echo started >&2; exec sleep 60'),
      signal: controller.signal,
      onLine: () => controller.abort(new Error('cancelled')),
    });
    await expect(run).rejects.toThrow('cancelled');
    expect(isAlive(pidOf())).toBe(false);
  });

  it('kills a tool that ignores SIGTERM after 5 s', { timeout: 20_000 }, async () => {
    const controller = new AbortController();
    const started = Date.now();
    const run = running({
      binary: await program("trap '' TERM; echo started >&2; while :; do sleep 1; done"),
      signal: controller.signal,
      onLine: () => controller.abort(new Error('cancelled')),
    });
    await expect(run).rejects.toThrow('cancelled');
    expect(Date.now() - started).toBeGreaterThan(4_900);
    expect(isAlive(pidOf())).toBe(false);
  });
});

describe('when the worker is killed', () => {
  it.each([
    ['', 'exec sleep 60'],
    [' although it ignores SIGTERM', "trap '' TERM; while :; do sleep 1; done"],
  ])('its tool ends%s, and the private folder goes', { timeout: 30_000 }, async (_, script) => {
    const binary = await program(`echo started >&2; ${script}`);
    const privateFolder = join(folder, 'private');
    const worker = fileURLToPath(new URL('fixtures/worker.ts', import.meta.url));
    const parent = execa('node', ['--import', 'tsx', worker, binary, privateFolder], {
      reject: false,
    });
    for await (const line of parent) {
      expect(line).toBe('started');
      parent.kill('SIGKILL');
    }
    await parent;
    await vi.waitFor(() => expect(isAlive(pidOf())).toBe(false), { timeout: 20_000 });
    expect(existsSync(privateFolder)).toBe(false);
  });
});
