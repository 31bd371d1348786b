import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { execa } from 'execa';
import { Child, untilReady } from '../../../embedded/child.js';

const SUPERVISOR = new URL('../../../embedded/supervise.sh', import.meta.url).pathname;

const refuse = () => Promise.reject(new Error('refused'));

describe('a child', () => {
  let dir: string;
  let logFile: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'child-test-'));
    logFile = join(dir, 'log');
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  const shell = (script: string, graceSeconds = 10) =>
    Child.start({ command: '/bin/sh', args: ['-c', script], logFile, graceSeconds });

  it('gives its own process id and its exit status', async () => {
    const child = await shell('echo $$; exit 7');
    expect(await child.ended).toBe(7);
    expect(child.running).toBe(false);
    expect(await readFile(logFile, 'utf8')).toBe(`${child.pid}\n`);
  });

  it('ends on stop, also when it is stopped twice or has ended', async () => {
    const child = await shell('exec sleep 60');
    await Promise.all([child.stop(), child.stop()]);
    await child.stop();
    await child.kill();
    expect(await child.ended).toBe(128 + 15);
  });

  it('is killed when it does not heed SIGTERM', async () => {
    const child = await shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", 0.2);
    const probe = async () => expect(await readFile(logFile, 'utf8')).toContain('ready');
    await untilReady({ child, what: 'x', logFile, timeoutMs: 5_000, probe });
    await child.stop();
    expect(await child.ended).toBe(128 + 9);
  });

  it('is stopped even while SIGSTOP holds it', async () => {
    const child = await shell('exec sleep 60');
    child.signal('SIGSTOP');
    await child.stop();
    expect(await child.ended).toBe(128 + 15);
  });

  it('says with its log why it did not become ready', async () => {
    const child = await shell('echo "port in use"; exit 3');
    const ready = untilReady({ child, what: 'server', logFile, timeoutMs: 5_000, probe: refuse });
    await expect(ready).rejects.toThrow(/server ended with status 3; .*\nport in use/s);
  });

  it('does not start without its program, and says so', async () => {
    const child = await Child.start({ command: join(dir, 'missing'), args: [], logFile });
    expect(await child.ended).toBe(127);
    expect(await readFile(logFile, 'utf8')).toContain('missing');
  });

  it('ends, and its folder goes, when the pipe from its parent closes', async () => {
    const orphan = join(dir, 'data');
    await mkdir(orphan);
    const run = await execa('/bin/sh', [SUPERVISOR, logFile, orphan, '1', 'sleep', '60'], {
      input: '',
      reject: false,
    });
    expect(run.exitCode).toBe(128 + 15);
    expect(Number(run.stdout)).toBeGreaterThan(1);
    expect(() => process.kill(Number(run.stdout), 0)).toThrow('ESRCH');
    await expect(stat(orphan)).rejects.toThrow('ENOENT');
  });
});
