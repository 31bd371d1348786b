import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'csm-package-'));
  // The other tests use dist too: what is packed is built beside it.
  const clone = join(folder, 'clone');
  await execa('git', ['clone', '--quiet', '--no-hardlinks', ROOT, clone]);
  const changed = await execa('git', ['ls-files', '--modified', '--others', '--exclude-standard'], {
    cwd: ROOT,
  });
  const files = changed.stdout.split('\n').filter((name) => name !== '');
  if (files.length > 0) {
    await execa('sh', ['-c', `tar cf - -T - | tar xf - -C '${clone}'`], {
      cwd: ROOT,
      input: files.join('\n'),
    });
  }
  await execa('ln', ['-s', join(ROOT, 'node_modules'), join(clone, 'node_modules')]);
  await execa('npm', ['pack', '--pack-destination', folder], { cwd: clone });
  const [tarball = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  const project = join(folder, 'project');
  await execa('mkdir', [project]);
  await writeFile(join(project, 'package.json'), '{"private": true}');
  await execa('npm', ['install', '--no-fund', '--no-audit', join(folder, tarball)], {
    cwd: project,
  });
}, 300_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the package, installed in an empty project', () => {
  it('has the command line', async () => {
    const { stdout } = await execa('npx', ['csm', '--help'], { cwd: join(folder, 'project') });
    expect(stdout).toContain('csm start shop.orders');
  });

  it('has the worker, which says what it needs', async () => {
    const { exitCode, stderr } = await execa('npx', ['csm-worker'], {
      cwd: join(folder, 'project'),
      env: { PATH: process.env['PATH'], HOME: folder },
      extendEnv: false,
      reject: false,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('MONGODB_URI_');
  });

  it('holds what is needed to run it and to read about it, and no tests', async () => {
    const installed = await readdir(join(folder, 'project/node_modules/changestream-migration'));
    expect(installed.toSorted()).toEqual(
      [
        '.env.example',
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'SECURITY.md',
        'deploy',
        'dist',
        'docs',
        'monitoring',
        'package.json',
      ].toSorted(),
    );
  });
});
